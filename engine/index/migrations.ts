// The index's schema, one numbered step after the other. A step that has landed never changes: the next one mends it.
// `pragma user_version` is the number of steps taken. docs/disk-format.md describes the result.

export const migrations: readonly string[] = [
  /* 1 */ `
  -- One row each of what this database knows about itself.
  create table fact (name text primary key, value blob not null) without rowid;

  create table folder (
    id integer primary key,
    folder_id blob not null unique,
    name text not null,
    path text not null,
    is_paused integer not null default 0,
    access_secret blob not null,
    folder_secret blob not null,
    epochs blob not null,          -- (epoch u32, 32 bytes) each
    incarnation blob not null,
    next_seq integer not null default 1,
    created_ms integer not null,
    target_copies integer not null
  );

  create table author (
    id integer primary key,
    folder integer not null references folder(id) on delete cascade,
    author_id blob not null,
    node_key blob not null,
    incarnation blob not null,
    head integer not null default 0, -- everything up to here is known, or something that supersedes it
    unique (folder, author_id)
  );

  create table change_set (
    author integer not null references author(id) on delete cascade,
    first_seq integer not null,
    entries integer not null,
    bytes blob not null,
    primary key (author, first_seq)
  ) without rowid;

  -- Current entries; several of one path are siblings. The row number is the order in which this node learnt of them: what a
  -- subscriber's cursor counts. It is never used again (counter in fact).
  create table entry (
    row_seq integer primary key,
    folder integer not null references folder(id) on delete cascade,
    path_key integer not null,     -- first 48 bits of the entry id's hash; collisions are sorted out by the bytes
    author integer not null,
    seq integer not null,
    bytes blob not null
  );
  create index entry_path on entry (folder, path_key);

  -- What is applied on disk here.
  create table item (
    id integer primary key,
    folder integer not null references folder(id) on delete cascade,
    path_key integer not null,
    directory text not null,
    name text not null,
    kind integer not null,         -- 1 file, 2 directory, 3 symlink
    size_bytes integer not null,
    mtime_us integer not null,
    ctime_us integer not null,
    inode integer not null,
    mode integer not null,
    chunk_class integer not null,
    is_leftover integer not null default 0, -- a directory whose deletion was applied except for ignored files in it
    vector blob not null,          -- the version that is on disk
    content_vector blob,           -- the version in which the content last changed; null = vector
    blocks blob not null,          -- packed block list; a symlink's target
    unique (folder, directory, name)
  );
  create index item_path on item (folder, path_key);
  create index item_inode on item (inode);

  -- Which file holds a block: first 48 bits of the block's hash. The list in the item has the rest.
  create table block_home (
    block_key integer not null,
    item integer not null,
    primary key (block_key, item)
  ) without rowid;

  -- Paths whose entries and disk are to be brought together. Kept in the order of work: parents before children for what
  -- appears, children before parents for what goes.
  create table need (
    folder integer not null references folder(id) on delete cascade,
    rank integer not null,
    path_key integer not null,
    bytes integer not null,
    retry_ms integer not null default 0,
    attempts integer not null default 0,
    reason text not null default '',
    primary key (folder, rank, path_key)
  ) without rowid;
  create index need_path on need (folder, path_key);

  create table log_entry (
    folder integer not null references folder(id) on delete cascade,
    position integer not null,
    bytes blob not null,
    primary key (folder, position)
  ) without rowid;

  create table link (
    link_id blob primary key,
    folder integer not null references folder(id) on delete cascade,
    secret blob not null,
    role text not null,
    uses_left integer not null,
    created_ms integer not null,
    used_by text
  ) without rowid;

  create table peer (
    peer_id text primary key,
    name text not null default '',
    addresses text not null default '[]',
    last_seen_ms integer,
    card blob
  ) without rowid;

  create table cursor (
    folder integer not null references folder(id) on delete cascade,
    peer_id text not null,
    index_id blob not null,
    position integer not null,
    primary key (folder, peer_id)
  ) without rowid;

  -- Content replaced or deleted by a change from elsewhere: parked in the folder's own directory first, then as blocks.
  create table history (
    id integer primary key,
    folder integer not null references folder(id) on delete cascade,
    path text not null,
    parked text,                   -- name in .holdfast/replaced; null once the blocks are stored
    kind integer not null,
    size_bytes integer not null,
    mtime_us integer not null,
    mode integer not null,
    vector blob not null,
    blocks blob not null,
    replaced_ms integer not null
  );
  create index history_path on history (folder, path);
  create index history_parked on history (folder) where parked is not null;
  `,
  /* 2 */ `
  -- Who made the content (16 bytes, zeros = not known) and when as conflicts count it (float64, microseconds); null = the vector's only
  -- author, at mtime_us.
  alter table item add column origin blob;
  -- 1 = the file's bytes changed by themselves: to be set aside, and fetched anew.
  alter table item add column is_rotten integer not null default 0;
  create index item_conflict on item (folder) where instr(name, '.conflict-') > 0;
  create index item_rotten on item (folder) where is_rotten = 1;
  `,
  /* 3 */ `
  -- History whole: every version that was on this disk, with when, by whom and in whose place.
  alter table item add column since_ms integer not null default 0; -- since when the content is the path's, as far as is known here
  alter table folder add column history_floor_ms integer not null default 0; -- history before this was let go of

  create table history_new (
    id integer primary key autoincrement, -- people type it: never used again
    folder integer not null references folder(id) on delete cascade,
    path text not null,
    parked text,                   -- name in .holdfast/replaced; null once its blocks are stored, or when there was no such file
    kind integer not null,
    size_bytes integer not null,
    mtime_us integer not null,
    mode integer not null,
    chunk_class integer not null,
    vector blob not null,
    blocks blob not null,
    since_ms integer not null,
    replaced_ms integer not null,
    is_deletion integer not null,  -- nothing took its place
    author integer                 -- who replaced it; null = not known
  );
  insert into history_new
    select id, folder, path, parked, kind, size_bytes, mtime_us, mode, 0, vector, blocks, 0, replaced_ms, 0, null from history;
  drop table history;
  alter table history_new rename to history;
  create index history_path on history (folder, path, replaced_ms);
  create index history_age on history (folder, replaced_ms);
  create index history_parked on history (folder) where parked is not null;

  -- Which versions refer to a block: first 48 bits of the block's hash. Nothing cascades here: whoever removes a version knows its blocks.
  create table history_block (
    block_key integer not null,
    history integer not null,
    primary key (block_key, history)
  ) without rowid;
  insert into fact (name, value) values ('history_blocks_missing', 1);

  -- What a person set for a folder on this node.
  create table setting (
    folder integer not null references folder(id) on delete cascade,
    name text not null,
    value text not null,
    primary key (folder, name)
  ) without rowid;
  `,
  /* 4 */ `
  -- What the folder is careful about: a question that is open, or an answer that is being carried out. JSON; '' = nothing.
  alter table folder add column caution text not null default '';
  `,
  /* 5 */ `
  -- The session that index and folder last began together (see sync/standing.ts), as JSON; '' = none yet.
  alter table folder add column standing text not null default '';
  `,
  /* 6 */ `
  -- The highest own sequence number that some member may have been told.
  alter table folder add column told_seq integer not null default 0;
  update folder set told_seq = next_seq - 1;
  `,
  /* 7 */ `
  -- Folders that are only stored here have an empty path and no secrets but the access secret.
  alter table folder add column keep text not null default 'all'; -- what of the folder's blocks: all, or the share of placement
  -- Where the look for blocks that are to be held here has come to: the last row seen, and the layout by which it looked.
  alter table folder add column held_row integer not null default 0;
  alter table folder add column held_layout blob not null default x'';

  -- Blocks that are to be held here and are not, one row for each entry that names them.
  create table block_need (
    folder integer not null references folder(id) on delete cascade,
    rank integer not null,         -- the lower, the sooner
    block_id blob not null,
    entry_row integer not null,
    stored_bytes integer not null,
    primary key (folder, rank, block_id, entry_row)
  ) without rowid;
  create index block_need_id on block_need (folder, block_id);

  -- Each member's latest word for what it holds.
  create table receipt (
    folder integer not null references folder(id) on delete cascade,
    peer_id text not null,
    edition integer not null,
    bytes blob not null,
    primary key (folder, peer_id)
  ) without rowid;

  -- What placement was computed from, by its digest: receipts name layouts of a while ago.
  create table layout (
    folder integer not null references folder(id) on delete cascade,
    digest blob not null,
    bytes blob not null,
    seen_ms integer not null,
    primary key (folder, digest)
  ) without rowid;
  `,
  /* 8 */ `
  -- 1 = the folder came back from a backup since, and what is on disk at the path was not looked at yet.
  alter table item add column is_doubted integer not null default 0;
  `,
  /* 9 */ `
  create index block_need_entry on block_need (folder, entry_row);
  `,
  /* 10 */ `
  -- The last audit of each member: how many blocks it was asked to prove, and how many of them it could not.
  create table audit (
    folder integer not null references folder(id) on delete cascade,
    peer_id text not null,
    at_ms integer not null,
    blocks integer not null,
    missing integer not null,
    primary key (folder, peer_id)
  ) without rowid;
  `,
  /* 11 */ `
  -- The layout that an owner published last, as it was signed.
  create table published_layout (
    folder integer primary key references folder(id) on delete cascade,
    bytes blob not null
  );
  `,
  /* 12 */ `
  -- What is known of an author above its head (see engine/model/known.ts). Heads were anybody's word before: others' are asked for again.
  alter table author add column above blob not null default x'';
  update author set head = 0 where incarnation <> (select incarnation from folder where folder.id = author.folder);
  delete from cursor;
  -- Entries that came and that this program cannot use: they do not count as known.
  create table unusable (
    author integer not null references author(id) on delete cascade,
    seq integer not null,
    primary key (author, seq)
  ) without rowid;
  `,
  /* 13 */ `
  -- Blocks stored here that nothing was found to refer to, and since when, on the awake clock.
  create table garbage (
    folder integer not null references folder(id) on delete cascade,
    block_id blob not null,
    since_ms integer not null,
    primary key (folder, block_id)
  ) without rowid;
  -- Partitions that are not this node's to hold, and since when, on the awake clock.
  create table surplus (
    folder integer not null references folder(id) on delete cascade,
    partition integer not null,
    since_ms integer not null,
    is_released integer not null,  -- 1 = the receipt does not claim it any more
    primary key (folder, partition)
  ) without rowid;
  `,
  /* 14 */ `
  -- How long peers have been away, counted on awake time: while this node ran, and its own link was beyond doubt.
  create table absence (
    peer_id text primary key,
    is_down integer not null,
    since_ms integer not null,     -- on the awake clock
    away_ms integer not null,
    past text not null             -- the longest absences of late, JSON: [{awayMs, endedMs}]
  ) without rowid;
  create table awake (
    id integer primary key check (id = 1),
    ms integer not null
  );
  `,
  /* 15 */ `
  -- Files that are not on this disk because this node does not keep them. A path has a row here or an item, never both.
  create table elsewhere (
    folder integer not null references folder(id) on delete cascade,
    path_key integer not null,
    entry_id blob not null,
    path text not null,
    size_bytes integer not null,
    content blob not null,         -- digest of its blocks' ids: knows it again under another name
    is_wanted integer not null,    -- 1 = asked for, and on its way: a need has it
    primary key (folder, path_key, entry_id)
  ) without rowid;
  create index elsewhere_path on elsewhere (folder, path);
  create index elsewhere_content on elsewhere (folder, content);
  -- With keep 'selected', which paths: patterns, one a line.
  alter table folder add column keep_patterns text not null default '';
  `,
  /* 16 */ `
  -- What scrub reads in turn: segments of the block store (place 0), stretches of the items of a folder (its row).
  create table scrub_unit (
    place integer not null,
    number integer not null,
    verified_ms integer not null,        -- read to its end then, or seen first
    reached integer not null default 0,  -- how far it was read since
    is_suspect integer not null default 0,
    primary key (place, number)
  ) without rowid;
  -- One row. A run is once through everything; times in milliseconds since 1970, 0 = none.
  create table scrub_state (
    id integer primary key check (id = 1),
    paused_ms integer not null default 0,
    is_hurried integer not null default 0,
    run_started_ms integer not null default 0,
    run_bytes integer not null default 0,
    run_pieces integer not null default 0,
    run_found integer not null default 0,
    last_started_ms integer not null default 0,
    last_ended_ms integer not null default 0,
    last_bytes integer not null default 0,
    last_pieces integer not null default 0,
    last_found integer not null default 0,
    found integer not null default 0,
    healed integer not null default 0
  );
  insert into scrub_state (id) values (1);
  -- What was found damaged, and what came of it.
  create table damage (
    place integer not null,
    what text not null,                  -- segment/offset, or a path
    folder blob,                         -- with the id of the block, where they are known
    block_id blob,
    reason text not null,
    found_ms integer not null,
    outcome integer not null default 0,  -- 0 = open, 1 = healed and verified, 2 = no longer wanted
    settled_ms integer not null default 0,
    primary key (place, what)
  ) without rowid;
  create index damage_open on damage (outcome, found_ms);
  -- Of all audits of a member: how many there were, and how many it did not pass.
  alter table audit add column runs integer not null default 1;
  alter table audit add column failures integer not null default 0;
  `,
  /* 17 */ `
  -- Which entries an audit drew from: those up to this row that this receipt claimed.
  alter table audit add column last_row integer not null default 0;
  alter table audit add column word blob not null default x'';
  `,
  /* 18 */ `
  -- Folders that were taken off this node and whose blocks are still to go from the store.
  create table leftover (
    folder_id blob primary key
  ) without rowid;
  `,
  /* 19 */ `
  -- What the entries of a folder that is only stored here cost, as sync/entry-room.ts counts.
  alter table folder add column entry_bytes integer not null default 0;
  update folder set entry_bytes = (select cast(total(length(bytes) + 256) as integer) from entry where entry.folder = folder.id) where path = '';
  `,
  /* 20 */ `
  -- A directory that somebody deleted on this disk while files in it were elsewhere: it comes with the first of them that is fetched.
  alter table elsewhere add column is_directory integer not null default 0;
  `,
  /* 21 */ `
  -- Current entries all of whose blocks are held here for members that are away.
  create table stand_in (
    folder integer not null references folder(id) on delete cascade,
    entry_row integer not null,
    primary key (folder, entry_row)
  ) without rowid;
  -- Entries up to this row had copies enough once, or somebody who stands in.
  alter table folder add column stand_in_row integer not null default 0;
  `,
  /* 22 */ `
  -- Files that people wrote may not be on the device yet (compose/own-files.ts).
  alter table folder add column is_unflushed integer not null default 1;
  `,
]
