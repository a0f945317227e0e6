{% macro drop_schema_of_pull_request() %}
  {% if not target.schema.startswith('dbt_pr_') %}
    {{ exceptions.raise_compiler_error(target.schema ~ ' is not the schema of a pull request') }}
  {% endif %}
  {% do adapter.drop_schema(api.Relation.create(database=target.database, schema=target.schema)) %}
{% endmacro %}
