-- Whom a mapping takes in (F1, F2). A mapping without clauses takes in everyone, as all of them did until now.

CREATE TABLE mapping_clause (
    mapping_id uuid NOT NULL REFERENCES mapping ON DELETE CASCADE,
    filter smallint NOT NULL,
    position smallint NOT NULL,
    attribute text,
    operator text NOT NULL,
    operands text[] NOT NULL,
    PRIMARY KEY (mapping_id, filter, position)
);
COMMENT ON TABLE mapping_clause IS 'A clause of a mapping''s criteria (F1). Written by api.';
COMMENT ON COLUMN mapping_clause.filter IS 'clauses of one filter must all hold; one filter is enough';
COMMENT ON COLUMN mapping_clause.attribute IS 'what is asked; null for an operator that asks of no attribute';
COMMENT ON COLUMN mapping_clause.operands IS 'what it is compared with: none, one, or for the operator in several';
