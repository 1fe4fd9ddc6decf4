"""SQL of the taxonomies."""

from __future__ import annotations

NAMES = "SELECT DISTINCT taxonomy FROM taxonomy_node"
NODES = "SELECT id, node::text AS node FROM taxonomy_node WHERE taxonomy = $1 ORDER BY id"
SOME_NODES = """
SELECT id, node::text AS node FROM taxonomy_node WHERE taxonomy = $1 AND id = ANY($2::text[]) ORDER BY id
"""
SEQUENCES = "SELECT topic, sequence FROM change_topic WHERE topic LIKE $1"
PUT = """
INSERT INTO taxonomy_node (taxonomy, id, node)
SELECT $1, n.id, n.node FROM unnest($2::text[], $3::jsonb[]) AS n (id, node)
ON CONFLICT (taxonomy, id) DO UPDATE SET node = excluded.node
"""
EXPORT = "SELECT id, node FROM taxonomy_node WHERE taxonomy = $1 ORDER BY id"
EXPORT_ALL = "SELECT taxonomy, id, node FROM taxonomy_node ORDER BY taxonomy, id"
