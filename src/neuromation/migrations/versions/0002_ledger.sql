-- Tables and rules of the ledger: TigerBeetle's two-phase double entry. All writing goes through ledger_apply().

create table ledger_account (
    code text collate "C" primary key,
    overdraft bigint not null default 0,
    debits_pending bigint not null default 0,
    debits_posted bigint not null default 0,
    credits_pending bigint not null default 0,
    credits_posted bigint not null default 0,
    version bigint not null default 0,  -- of the newest entry; 0 while there is none
    hash bytea not null,                -- of the newest entry; of the code while there is none
    opened timestamptz not null,
    constraint ledger_account_limit check (overdraft = 0 or (code = 'platform:custody' and overdraft between 0 and 100000000000000)),
    constraint ledger_account_counters check (debits_pending >= 0 and debits_posted >= 0 and credits_pending >= 0 and credits_posted >= 0),
    constraint ledger_account_overdraft check (debits_posted + debits_pending - credits_posted <= overdraft)
) with (fillfactor = 40);  -- room for the next versions of a row on its own page

-- The log. A hold is resolved by another row that names it, never by a change of its own.
create table ledger_transfer (
    id bigint generated always as identity primary key,
    key text collate "C" not null,
    operation text collate "C" not null,
    debit text collate "C" not null,
    credit text collate "C" not null,
    amount bigint not null,  -- moved (transfer, post), reserved (hold) or released (void, expire)
    kind text collate "C" not null,
    ref text collate "C" not null,
    memo text collate "C" not null,
    hold bigint,  -- the hold that this row resolves
    expires timestamptz,  -- of a hold
    hash bytea not null,  -- of the request; a repeat must have the same
    created timestamptz not null,
    constraint ledger_transfer_key unique (key),
    constraint ledger_transfer_shape check (
        amount > 0 and debit <> credit
        and operation in ('transfer', 'hold', 'post', 'void', 'expire')
        and (hold is not null) = (operation in ('post', 'void', 'expire'))
        and (expires is not null) = (operation = 'hold')
    )
);
create unique index ledger_transfer_resolution on ledger_transfer (hold) where hold is not null;
create index ledger_transfer_ref on ledger_transfer (ref, id) where ref <> '';

-- Two a transfer: what it changed in an account, the state after it, and the link to the entry before.
create table ledger_entry (
    account text collate "C" not null,
    version bigint not null,
    transfer bigint not null,
    amount bigint not null,   -- change of the posted balance
    balance bigint not null,  -- posted, after
    held bigint not null,     -- debits pending, after
    due bigint not null,      -- credits pending, after
    hash bytea not null,
    primary key (account, version)
);

-- Which holds are open: an index over the log, the only rows here that may go.
create table ledger_open_hold (
    hold bigint primary key,
    key text collate "C" not null,
    expires timestamptz not null
);
create index ledger_open_hold_expires on ledger_open_hold (expires);

-- One chain over all transfers, laid after they committed.
create table ledger_seal (
    position bigint primary key,
    transfer bigint not null constraint ledger_seal_once unique,
    hash bytea not null
);

-- Up to `settled` every transfer is sealed or never committed; `candidate` becomes settled when no
-- transaction older than `barrier` runs any more.
create table ledger_seal_state (
    one boolean primary key default true check (one),
    settled bigint not null default 0,
    candidate bigint not null default 0,
    barrier xid8 not null default '0'
);

create function ledger_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception using errcode = 'integrity_constraint_violation',
        message = tg_table_name || ' is insert-only: correct a mistake by a new transfer';
end $$;
create trigger insert_only before update or delete or truncate on ledger_transfer for each statement execute function ledger_refuse_change();
create trigger insert_only before update or delete or truncate on ledger_entry for each statement execute function ledger_refuse_change();
create trigger insert_only before update or delete or truncate on ledger_seal for each statement execute function ledger_refuse_change();
create trigger insert_only before delete or truncate on ledger_account for each statement execute function ledger_refuse_change();

-- The request's canonical form: ten texts joined by the unit separator, which no text may contain.
create function ledger_request_hash(key text, operation text, debit text, credit text, amount bigint, kind text, ref text, memo text, hold bigint, timeout_s bigint)
returns bytea language sql stable as $$
    select sha256(convert_to(concat_ws(E'\x1f', key, operation, debit, credit, amount, kind, ref, memo, coalesce(hold, 0), coalesce(timeout_s, 0)), 'UTF8'))
$$;

-- An entry's canonical form: the hash before it, its transfer's request hash, six big-endian int64.
create function ledger_entry_hash(previous bytea, request bytea, transfer bigint, version bigint, amount bigint, balance bigint, held bigint, due bigint)
returns bytea language sql immutable as $$
    select sha256(previous || request || int8send(transfer) || int8send(version) || int8send(amount) || int8send(balance) || int8send(held) || int8send(due))
$$;

create function ledger_seal_hash(previous bytea, request bytea, transfer bigint, created timestamptz)
returns bytea language sql immutable as $$
    select sha256(previous || request || int8send(transfer) || int8send((extract(epoch from created) * 1000000)::bigint))
$$;

-- Apply groups of linked requests, each group all or none, and say for each group what became of it.
-- p_requests: ten texts a request, joined by the unit separator:
--   group number, key, operation, debit, credit, amount, kind, ref, memo, and a hold's seconds or the key of the hold to resolve.
-- A refused group writes nothing and its key stays free. The accounts of the whole batch are locked in the order of their codes
-- before anything is read, so that batches cannot deadlock and a repeat waits for its original.
create function ledger_apply(p_requests text, p_now timestamptz)
returns table (grp int, outcome text, subject text, needed bigint, available bigint, ids bigint[])
language plpgsql
-- Plan once a session, by index: planning anew costs more than the work, and a table read whole while it was
-- empty would still be read whole when it is large.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
    f text[] := string_to_array(p_requests, E'\x1f');
    n int := cardinality(f) / 10;
    i int := 1;
    j int;
    o int;
    first int;
    d int;
    c int;
    fresh int;
    a record;
    hold record;
    known record;
    codes text[];
    h_id bigint[];  h_expires timestamptz[];  h_key text[];  h_open boolean[];
    -- of each request: change of pending, change of posted, amount, request hash, index of its two accounts
    pend bigint[];  post bigint[];  amt bigint[];  body bytea[];  dx int[];  cx int[];
    -- of each locked account
    acc text[];  free bigint[];  dp bigint[];  dq bigint[];  cp bigint[];  cq bigint[];  was bigint[];  ver bigint[];  head bytea[];
    -- of each transfer that is decided and not yet written, and of its two entries
    m int := 0;
    clash boolean;
    t_id bigint[];  t_key text[];  t_op text[];  t_debit text[];  t_credit text[];  t_amount bigint[];  t_kind text[];  t_ref text[];
    t_memo text[];  t_hold bigint[];  t_expires timestamptz[];  t_body bytea[];
    e_acc text[];  e_ver bigint[];  e_id bigint[];  e_amount bigint[];  e_balance bigint[];  e_held bigint[];  e_due bigint[];  e_hash bytea[];
begin
    -- What a resolution moves stands in its hold, which never changes.
    while i <= n loop
        o := (i - 1) * 10;
        amt[i] := nullif(f[o + 6], '')::bigint;
        if f[o + 3] in ('post', 'void', 'expire') then
            select t.id, t.debit, t.credit, t.amount, t.kind, t.ref, t.memo, t.expires into hold
            from ledger_transfer t where t.key = f[o + 10] and t.operation = 'hold';
            h_id[i] := hold.id;  h_expires[i] := hold.expires;  h_key[i] := f[o + 10];
            f[o + 4] := hold.debit;  f[o + 5] := hold.credit;
            f[o + 7] := hold.kind;  f[o + 8] := hold.ref;  f[o + 9] := hold.memo;
            f[o + 10] := null;
            amt[i] := coalesce(amt[i], hold.amount);
            pend[i] := -hold.amount;
            post[i] := case when f[o + 3] = 'post' then amt[i] else 0 end;
        elsif f[o + 3] = 'hold' then
            pend[i] := amt[i];  post[i] := 0;
        else
            pend[i] := 0;  post[i] := amt[i];  f[o + 10] := null;
        end if;
        codes[i * 2 - 1] := f[o + 4];  codes[i * 2] := f[o + 5];
        i := i + 1;
    end loop;

    i := 0;
    for a in select * from ledger_account l where l.code = any(codes) order by l.code for no key update loop
        i := i + 1;
        acc[i] := a.code;  dp[i] := a.debits_pending;  dq[i] := a.debits_posted;  cp[i] := a.credits_pending;  cq[i] := a.credits_posted;
        free[i] := a.credits_posted - a.debits_posted - a.debits_pending + a.overdraft;
        was[i] := a.version;  ver[i] := a.version;  head[i] := a.hash;
    end loop;

    i := 1;
    while i <= n or m > 0 loop
        -- All is written at once at the end; earlier only before a group that repeats a key or closes a hold once more.
        clash := i > n;  j := i;
        while m > 0 and not clash and j <= n and f[(j - 1) * 10 + 1] = f[(i - 1) * 10 + 1] loop
            clash := f[(j - 1) * 10 + 2] = any(t_key) or coalesce(h_id[j] = any(t_hold), false);
            j := j + 1;
        end loop;
        if m > 0 and clash then
            insert into ledger_transfer (id, key, operation, debit, credit, amount, kind, ref, memo, hold, expires, hash, created)
            overriding system value
            select v.*, p_now from unnest(t_id, t_key, t_op, t_debit, t_credit, t_amount, t_kind, t_ref, t_memo, t_hold, t_expires, t_body) v;
            insert into ledger_entry (account, version, transfer, amount, balance, held, due, hash)
            select * from unnest(e_acc, e_ver, e_id, e_amount, e_balance, e_held, e_due, e_hash);
            if 'hold' = any(t_op) then
                insert into ledger_open_hold (hold, key, expires)
                select v.* from unnest(t_id, t_key, t_expires) v (hold, key, expires) where v.expires is not null;
            end if;
            delete from ledger_open_hold x where x.hold = any(t_hold);
            m := 0;
            t_id := '{}';  t_key := '{}';  t_op := '{}';  t_debit := '{}';  t_credit := '{}';  t_amount := '{}';  t_kind := '{}';
            t_ref := '{}';  t_memo := '{}';  t_hold := '{}';  t_expires := '{}';  t_body := '{}';
            e_acc := '{}';  e_ver := '{}';  e_id := '{}';  e_amount := '{}';  e_balance := '{}';  e_held := '{}';  e_due := '{}';  e_hash := '{}';
        end if;
        exit when i > n;
        grp := f[(i - 1) * 10 + 1]::int;
        first := i;  fresh := 0;  outcome := 'applied';  subject := null;  needed := null;  available := null;  ids := '{}';

        -- First on the numbers alone: may every request of the group happen, one after the other?
        while i <= n and f[(i - 1) * 10 + 1]::int = grp loop
            o := (i - 1) * 10;
            if outcome <> 'applied' then
                null;  -- refused already: walk on to the next group
            elsif f[o + 4] is null then
                outcome := 'unknown-hold';  subject := h_key[i];
            else
                body[i] := ledger_request_hash(f[o + 2], f[o + 3], f[o + 4], f[o + 5], amt[i], f[o + 7], f[o + 8], f[o + 9], h_id[i], f[o + 10]::bigint);
                d := array_position(acc, f[o + 4]);  c := array_position(acc, f[o + 5]);
                dx[i] := d;  cx[i] := c;
                if h_id[i] is not null then
                    h_open[i] := exists (select from ledger_open_hold x where x.hold = h_id[i]);
                end if;
                select t.id, t.hash into known from ledger_transfer t where t.key = f[o + 2];
                if known.id is not null then
                    ids := ids || known.id;
                    if known.hash <> body[i] or fresh > 0 then
                        outcome := 'key-reused';  subject := f[o + 2];
                    end if;
                elsif cardinality(ids) > 0 then  -- part of the group is known: as a whole it is another group
                    outcome := 'key-reused';  subject := f[(first - 1) * 10 + 2];
                elsif d is null or c is null then
                    outcome := 'unknown-account';  subject := case when d is null then f[o + 4] else f[o + 5] end;
                elsif h_id[i] is not null and not h_open[i] then
                    outcome := 'hold-resolved';  subject := h_key[i];
                elsif f[o + 3] = 'post' and p_now >= h_expires[i] then
                    outcome := 'hold-expired';  subject := h_key[i];
                elsif f[o + 3] = 'expire' and p_now < h_expires[i] then
                    outcome := 'hold-running';  subject := h_key[i];
                elsif h_id[i] is not null and amt[i] > -pend[i] then
                    outcome := 'over-hold';  subject := h_key[i];  needed := amt[i];  available := -pend[i];
                elsif pend[i] + post[i] > free[d] then
                    outcome := 'insufficient-funds';  subject := acc[d];  needed := pend[i] + post[i];  available := free[d];
                else
                    fresh := fresh + 1;
                    free[d] := free[d] - pend[i] - post[i];
                    free[c] := free[c] + post[i];
                end if;
            end if;
            i := i + 1;
        end loop;

        if outcome <> 'applied' then
            for j in first .. first + fresh - 1 loop
                free[dx[j]] := free[dx[j]] + pend[j] + post[j];
                free[cx[j]] := free[cx[j]] - post[j];
            end loop;
            ids := null;
        elsif fresh = 0 then
            outcome := 'replayed';
        else
            -- Then for good: the transfer and its two entries.
            for j in first .. i - 1 loop
                o := (j - 1) * 10;  d := dx[j];  c := cx[j];  m := m + 1;
                t_id[m] := nextval('ledger_transfer_id_seq');
                ids[j - first + 1] := t_id[m];
                t_key[m] := f[o + 2];  t_op[m] := f[o + 3];  t_debit[m] := f[o + 4];  t_credit[m] := f[o + 5];  t_amount[m] := amt[j];
                t_kind[m] := f[o + 7];  t_ref[m] := f[o + 8];  t_memo[m] := f[o + 9];  t_hold[m] := h_id[j];  t_body[m] := body[j];
                t_expires[m] := p_now + f[o + 10]::bigint * interval '1 second';
                dp[d] := dp[d] + pend[j];  dq[d] := dq[d] + post[j];  ver[d] := ver[d] + 1;
                cp[c] := cp[c] + pend[j];  cq[c] := cq[c] + post[j];  ver[c] := ver[c] + 1;
                head[d] := ledger_entry_hash(head[d], body[j], t_id[m], ver[d], -post[j], cq[d] - dq[d], dp[d], cp[d]);
                head[c] := ledger_entry_hash(head[c], body[j], t_id[m], ver[c], post[j], cq[c] - dq[c], dp[c], cp[c]);
                e_acc[m * 2 - 1] := acc[d];  e_ver[m * 2 - 1] := ver[d];  e_id[m * 2 - 1] := t_id[m];  e_amount[m * 2 - 1] := -post[j];
                e_balance[m * 2 - 1] := cq[d] - dq[d];  e_held[m * 2 - 1] := dp[d];  e_due[m * 2 - 1] := cp[d];  e_hash[m * 2 - 1] := head[d];
                e_acc[m * 2] := acc[c];  e_ver[m * 2] := ver[c];  e_id[m * 2] := t_id[m];  e_amount[m * 2] := post[j];
                e_balance[m * 2] := cq[c] - dq[c];  e_held[m * 2] := dp[c];  e_due[m * 2] := cp[c];  e_hash[m * 2] := head[c];
            end loop;
        end if;
        return next;
    end loop;

    -- The list of codes, said once more, lets the index find them whatever the planner thinks of the join.
    update ledger_account l
    set debits_pending = v.dp, debits_posted = v.dq, credits_pending = v.cp, credits_posted = v.cq, version = v.ver, hash = v.head
    from unnest(acc, dp, dq, cp, cq, ver, was, head) v (code, dp, dq, cp, cq, ver, was, head)
    where l.code = any(acc) and l.code = v.code and v.ver > v.was;
end $$;

-- Chain up to p_limit committed transfers that are not in the chain yet. The order is the order of sealing; it can no
-- longer change once laid. A transfer that commits late, with a small id, is found above `settled` and sealed late.
create function ledger_seal_next(p_limit int)
returns table ("position" bigint, hash bytea, added int)
language plpgsql as $$
declare
    state record;
    t record;
    done boolean;
    -- Read before this transaction draws a number of its own: whoever drew an id up to `drawn` had locked its accounts by then,
    -- so its number is below ours. A caller that has written already has an older number and leaves the mark to another.
    drawn bigint := coalesce(pg_sequence_last_value(pg_get_serial_sequence('ledger_transfer', 'id')), 0);
    may_mark boolean := pg_current_xact_id_if_assigned() is null;
begin
    insert into ledger_seal_state default values on conflict do nothing;
    select * into state from ledger_seal_state for update;  -- one sealer at a time
    -- Asked before the log is read: what had an id up to `candidate` has ended when this is true.
    done := state.barrier <> '0' and pg_snapshot_xmin(pg_current_snapshot()) >= state.barrier;

    select s.position, s.hash into ledger_seal_next.position, ledger_seal_next.hash from ledger_seal s order by s.position desc limit 1;
    "position" := coalesce("position", 0);
    hash := coalesce(hash, sha256('ledger'));
    added := 0;
    for t in
        select l.id, l.hash, l.created from ledger_transfer l
        where l.id > state.settled and not exists (select from ledger_seal s where s.transfer = l.id)
        order by l.id limit p_limit
    loop
        "position" := "position" + 1;
        hash := ledger_seal_hash(hash, t.hash, t.id, t.created);
        added := added + 1;
        insert into ledger_seal values ("position", t.id, hash);
    end loop;

    if added < p_limit then  -- all that could be seen is sealed
        if done then
            update ledger_seal_state set settled = candidate;
        end if;
        -- A barrier ahead of the newest transaction came with a restored copy: it would never be reached.
        if may_mark and (done or state.barrier = '0' or state.barrier > pg_snapshot_xmax(pg_current_snapshot())) then
            update ledger_seal_state set candidate = greatest(drawn, settled), barrier = pg_current_xact_id();
        end if;
    end if;
    return next;
end $$;
