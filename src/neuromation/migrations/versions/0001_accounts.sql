-- Tables of the accounts context: people and organisations, their tokens, and failed log-ins.

create table account (
    id text collate "C" primary key,
    email text collate "C" not null,  -- in lower case, so that one address is one account
    name text not null,
    roles text[] not null,
    password_hash text not null,
    created timestamptz not null,
    disabled timestamptz,  -- null while the account works
    constraint account_email unique (email),
    constraint account_email_lower check (email = lower(email) and char_length(email) between 3 and 254),
    constraint account_name check (char_length(name) between 1 and 100),
    constraint account_roles check (
        cardinality(roles) >= 1 and roles <@ array['customer', 'provider', 'vendor', 'labeller', 'operator']
    )
);

create table account_token (
    id text collate "C" primary key,
    account_id text collate "C" not null references account (id),
    hash bytea not null,  -- HMAC-SHA256 of the text, which is kept nowhere
    name text not null,
    kind text not null,
    subject text collate "C" not null,  -- a node token's node; else empty
    created timestamptz not null,
    expires timestamptz,  -- null: never
    revoked timestamptz,  -- null while the token works
    constraint account_token_hash unique (hash),
    constraint account_token_kind check (kind in ('session', 'api', 'node') and (subject <> '') = (kind = 'node')),
    constraint account_token_name check (char_length(name) between 1 and 100)
);
create index account_token_live on account_token (account_id, kind, id) where revoked is null;

-- By address and not by account: an address that nobody has is throttled like any other.
create table account_login_failure (
    email text collate "C" primary key,
    failures int not null,
    last timestamptz not null,
    locked_until timestamptz not null
);
create index account_login_failure_last on account_login_failure (last);

-- For pages that join contexts.
create view account_public as select id, name, roles, created, disabled is null as enabled from account;
