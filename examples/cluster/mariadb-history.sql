-- For RelStorage 4 with history on MariaDB: run this once, in the new database, before the first instance starts.
--
-- RelStorage creates the tables that are missing. It creates this one with `REFERENCES "transaction"` after two
-- columns. MySQL parses and ignores this. MariaDB does not ignore it, and reports an error, because the columns
-- do not belong to the key of that table. So this is the table as MySQL creates it.
CREATE TABLE object_state (
    zoid BIGINT NOT NULL,
    tid BIGINT NOT NULL,
    prev_tid BIGINT NOT NULL,
    md5 CHAR(32) CHARACTER SET ascii,
    state_size BIGINT NOT NULL,
    state LONGBLOB,
    CONSTRAINT object_state_pk PRIMARY KEY (zoid, tid),
    CHECK (tid > 0),
    CHECK (state_size >= 0),
    INDEX object_state_tid (tid),
    INDEX object_state_prev_tid (prev_tid)
) ENGINE = InnoDB;
