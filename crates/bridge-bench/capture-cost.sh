#!/bin/sh
# What the triggers of `bridgecore capture` cost Odoo: single-row updates per second by pgbench, without triggers, with
# ids only, with changed columns and with NOTIFY, and beside them the floor: a trigger that does nothing but add 150
# bytes to PostgreSQL's log. Rounds take turns; the medians are printed at the end.
#
# usage: capture-cost.sh SERVER_URL BRIDGECORE [ROUNDS] [SECONDS] [ODOO_DATABASE]
#   SERVER_URL     postgres://superuser@host:port of a server that can be spared; databases are made and dropped
#   ODOO_DATABASE  a database of a real Odoo on that server, which nobody uses: partners are updated in copies of it.
#                  Without it, they are in a table of the same columns in number, but with no index besides the key.
set -eu
server=$1 bridgecore=$2 rounds=${3:-7} seconds=${4:-3} odoo=${5:-}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
variants="none floor ids columns notify"

sql() { psql -X -q -v ON_ERROR_STOP=1 -d "$server/$1" -c "$2" 2> /dev/null; }

cat > "$folder/update.sql" <<'SQL'
\set id random(100, 20000)
UPDATE res_partner SET name = 'name ' || :id, write_date = now(), color = color + 1 WHERE id = :id;
SQL

make_odoo() {
  sql postgres "CREATE DATABASE $1 TEMPLATE $odoo"
  sql "$1" "
    DO \$make\$
    DECLARE columns text := (SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
      WHERE table_schema = 'public' AND table_name = 'res_partner' AND column_name <> 'id');
    BEGIN
      EXECUTE format('INSERT INTO res_partner (%s) SELECT %s FROM (SELECT * FROM res_partner ORDER BY id LIMIT 1) AS one,
        generate_series(1, 20001)', columns, columns);
      UPDATE res_partner SET color = 0;
    END \$make\$"
}

make_bare() {
  columns=$(i=0; while [ $i -lt 30 ]; do printf ", f%s varchar DEFAULT 'some text of field %s'" $i $i; i=$((i + 1)); done)
  sql postgres "CREATE DATABASE $1"
  sql "$1" "
    CREATE TABLE ir_model (id serial PRIMARY KEY, model varchar, transient boolean);
    CREATE TABLE ir_model_fields (id serial, model varchar, model_id integer, ttype varchar, store boolean,
      relation_table varchar, column1 varchar, column2 varchar);
    CREATE TABLE ir_model_constraint (model integer, name varchar, type varchar);
    CREATE TABLE res_partner (id serial PRIMARY KEY, name varchar, write_date timestamp,
      parent_id integer, color integer DEFAULT 0, credit numeric $columns);
    INSERT INTO ir_model (model, transient) VALUES ('res.partner', false);
    INSERT INTO res_partner (name) SELECT 'name ' || n FROM generate_series(1, 20001) AS n;"
}

for variant in $variants; do
  database="capture_cost_$variant"
  sql postgres "DROP DATABASE IF EXISTS $database WITH (FORCE)"
  if [ -n "$odoo" ]; then make_odoo "$database"; else make_bare "$database"; fi
  psql -X -q -d "$server/$database" -c "VACUUM FULL ANALYZE res_partner"
  case $variant in
    none) continue ;;
    floor)
      sql "$database" "
        CREATE FUNCTION floor_of_a_trigger() RETURNS trigger LANGUAGE plpgsql AS \$floor\$
          BEGIN PERFORM pg_logical_emit_message(true, 'floor', repeat('x', 150)); RETURN NULL; END \$floor\$;
        CREATE TRIGGER floor AFTER UPDATE ON res_partner FOR EACH ROW EXECUTE FUNCTION floor_of_a_trigger()"
      continue ;;
    ids) options= ;;
    columns) options=--changed-columns ;;
    notify) options=--notify ;;
  esac
  # shellcheck disable=SC2086
  "$bridgecore" capture install --database-url "$server/$database" --role "capture_cost_$variant" $options > /dev/null
done
sql postgres CHECKPOINT

round=0
while [ $round -lt "$rounds" ]; do
  for clients in 1 4; do
    for variant in $variants; do
      tps=$(pgbench -n -f "$folder/update.sql" -c $clients -j $clients -T "$seconds" "$server/capture_cost_$variant" 2> /dev/null |
        sed -n 's/^tps = \([0-9]*\).*/\1/p')
      echo "$tps" >> "$folder/$clients.$variant"
    done
  done
  round=$((round + 1))
done

median() { sort -n "$1" | sed -n "$(((rounds + 1) / 2))p"; }
echo "| clients | triggers | updates/s (median of $rounds) | fewer | lowest to highest |"
echo "|---|---|---|---|---|"
for clients in 1 4; do
  base=$(median "$folder/$clients.none")
  for variant in $variants; do
    file="$folder/$clients.$variant"
    middle=$(median "$file")
    lowest=$(sort -n "$file" | head -1) highest=$(sort -n "$file" | tail -1)
    echo "| $clients | $variant | $middle | $((((base - middle) * 200 / base + 1) / 2)) % | $lowest to $highest |"
  done
done
for variant in $variants; do
  case $variant in
    none | floor) ;;
    *) "$bridgecore" capture uninstall --database-url "$server/capture_cost_$variant" > /dev/null ;;
  esac
  sql postgres "DROP DATABASE capture_cost_$variant WITH (FORCE)"
done
