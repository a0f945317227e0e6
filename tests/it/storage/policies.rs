//! The policies that are recorded as ours.

use azdo_gateway::storage::PolicyRow;

use super::Bench;

fn policy(project: &str, id: i64) -> PolicyRow {
    PolicyRow { project_id: project.into(), id }
}

#[tokio::test]
async fn policies_are_recorded_until_they_are_forgotten() {
    for bench in Bench::all().await {
        let keep = async |organization: &str, policy, is_kept| {
            bench.store.record_policy(organization, policy, is_kept).await.unwrap();
        };
        keep("fabrikam", policy("b", 2), true).await;
        keep("Fabrikam", policy("a", 7), true).await;
        keep("fabrikam", policy("b", 1), true).await;
        keep("fabrikam", policy("b", 1), true).await;
        keep("contoso", policy("b", 1), true).await;
        let expected = [policy("a", 7), policy("b", 1), policy("b", 2)];
        assert_eq!(bench.store.policies("FABRIKAM").await.unwrap(), expected);
        // A number is unique within its project only.
        keep("fabrikam", policy("a", 1), false).await;
        assert_eq!(bench.store.policies("fabrikam").await.unwrap(), expected);
        keep("FABRIKAM", policy("b", 1), false).await;
        let bench = bench.reopened().await;
        let expected = [policy("a", 7), policy("b", 2)];
        assert_eq!(bench.store.policies("fabrikam").await.unwrap(), expected);
        assert_eq!(bench.store.policies("contoso").await.unwrap(), [policy("b", 1)]);
        assert_eq!(bench.store.policies("adventure").await.unwrap(), []);
    }
}
