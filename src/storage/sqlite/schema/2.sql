-- When Azure DevOps last had a hook with an older secret of the scope.
ALTER TABLE hook_scope ADD COLUMN older_seen_at INTEGER;
