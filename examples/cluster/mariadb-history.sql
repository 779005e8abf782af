-- For RelStorage 4 with history on MariaDB: run it once, in the new database, before the first instance starts.
--
-- RelStorage makes the tables that are missing. This one it makes with `REFERENCES "transaction"` after two
-- columns, which MySQL reads and ignores. MariaDB means it, and refuses: they are no columns of that table's
-- key. So this is the table as MySQL has it.
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
