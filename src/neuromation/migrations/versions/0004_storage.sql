-- Tables of the storage context: which blobs there are, and who may read them. The bytes are elsewhere.

create table storage_blob (
    sha256 text collate "C" primary key,
    size bigint not null,
    media_type text not null,
    created timestamptz not null,
    constraint storage_blob_sha256 check (sha256 ~ '^[0-9a-f]{64}$'),
    constraint storage_blob_size check (size >= 0)
);
create index storage_blob_created on storage_blob (created);

-- One row lets one owner (an account, a job or a node) read one blob, and keeps the blob from being collected.
create table storage_grant (
    sha256 text collate "C" not null references storage_blob (sha256),
    owner text collate "C" not null,
    created timestamptz not null,
    primary key (sha256, owner)
);
create index storage_grant_owner on storage_grant (owner, sha256);
