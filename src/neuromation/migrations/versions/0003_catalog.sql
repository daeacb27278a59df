-- Tables of the catalog context: items, and their versions, which never change.

create table catalog_item (
    id text collate "C" primary key,
    kind text not null,
    owner text collate "C" not null,
    name text collate "C" not null,
    slug text collate "C",  -- the name for everybody: taken when first listed, and kept for good
    title text not null,
    description text not null,
    licence text not null,
    price bigint not null,  -- micro-NTK per generated unit (generators) or per licence (data sets, models)
    visibility text not null,
    versions int not null default 0,
    created timestamptz not null,
    constraint catalog_item_name unique (owner, kind, name),
    constraint catalog_item_slug unique (kind, slug),
    constraint catalog_item_shape check (
        kind in ('generator', 'dataset', 'model')
        and visibility in ('private', 'listed')
        and (visibility = 'private' or slug is not null)
        and (slug is null or slug = name)
        and price between 0 and 1000000000000
        and versions >= 0
    )
);
create index catalog_item_listed on catalog_item (kind, id) where visibility = 'listed';

create table catalog_version (
    id text collate "C" primary key,
    item text collate "C" not null references catalog_item (id),
    number int not null,
    content_hash text collate "C" not null,
    -- json and not jsonb: the text is kept as written, so facts come back (and hash) as they went; jsonb would turn
    -- the float 1e17 into a whole number.
    manifest json not null,
    files json not null,
    lineage json not null,
    created timestamptz not null,
    constraint catalog_version_number unique (item, number),
    constraint catalog_version_content unique (item, content_hash),
    constraint catalog_version_shape check (number >= 1 and content_hash ~ '^[0-9a-f]{64}$')
);

create function catalog_version_immutable() returns trigger language plpgsql as $$
begin
    raise exception 'a version never changes; add another one' using errcode = 'restrict_violation';
end
$$;

create trigger catalog_version_immutable before update or delete on catalog_version
    for each row execute function catalog_version_immutable();

-- For pages that join contexts: every item with its newest version.
create view catalog_newest as
    select i.id as item, i.kind, i.owner, i.name, i.title, i.licence, i.price, i.visibility, i.created,
        v.id as version, v.number, v.content_hash, v.created as version_created
    from catalog_item i join catalog_version v on v.item = i.id and v.number = i.versions;
