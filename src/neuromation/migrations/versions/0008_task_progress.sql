-- jobs: how far the node that holds a task says it is, 0..1; what it is told, never what is paid for.

alter table job_task add column done real not null default 0 check (done between 0 and 1);

-- A commitment is mostly hashes, which no packing makes smaller: trying it took three quarters of an insert.
alter table job_commit alter column body set storage external;
