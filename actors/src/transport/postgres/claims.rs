//! The statements of the dedup inbox, each for a whole batch of ids.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Text, Uuid as Id},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pandaflow::{
    Epoch, Timestamp,
    ports::{Owner, Standing},
};
use uuid::Uuid;

/// Takes each id that is new, expired, or claimed by this owner without its knowledge. Ids are sorted, so that two
/// owners that claim the same ones at once don't wait for each other crosswise.
const CLAIM: &str = "\
    INSERT INTO dedup_inbox AS known (group_name, id, part, epoch, until_ms, done)
    SELECT $1, claimed.id, $3, $4, $6, FALSE FROM unnest($2) AS claimed (id) ORDER BY claimed.id
    ON CONFLICT (group_name, id) DO UPDATE
    SET part = excluded.part, epoch = excluded.epoch, until_ms = excluded.until_ms, done = FALSE
    WHERE CASE WHEN NOT known.done AND known.part = $3 AND known.epoch = $4
        THEN NOT known.id = ANY ($7) ELSE known.until_ms <= $5 END
    RETURNING id";

/// What the owner holds it goes on holding: it lives, since it asks.
const EXTEND: &str = "\
    UPDATE dedup_inbox SET until_ms = $5
    WHERE group_name = $1 AND id = ANY ($2) AND NOT done AND part = $3 AND epoch = $4 AND until_ms < $5";

const LOOK: &str = "SELECT id, until_ms, done FROM dedup_inbox WHERE group_name = $1 AND id = ANY ($2)";

const MARK: &str = "\
    INSERT INTO dedup_inbox (group_name, id, part, epoch, until_ms, done)
    SELECT $1, marked.id, $4, $5, marked.until_ms, TRUE
    FROM unnest($2, $3) AS marked (id, until_ms) ORDER BY marked.id
    ON CONFLICT (group_name, id) DO UPDATE SET until_ms = excluded.until_ms, done = TRUE";

/// As [`MARK`], unless a later owner has fenced this one. The row of the fence is locked until the marks are there.
const MARK_IN_FORCE: &str = "\
    WITH fence AS (SELECT epoch FROM dedup_fences WHERE group_name = $1 AND part = $4 FOR SHARE)
    INSERT INTO dedup_inbox (group_name, id, part, epoch, until_ms, done)
    SELECT $1, marked.id, $4, $5, marked.until_ms, TRUE
    FROM unnest($2, $3) AS marked (id, until_ms)
    WHERE NOT EXISTS (SELECT FROM fence WHERE fence.epoch > $5) ORDER BY marked.id
    ON CONFLICT (group_name, id) DO UPDATE SET until_ms = excluded.until_ms, done = TRUE";

const END: &str = "\
    DELETE FROM dedup_inbox
    WHERE group_name = $1 AND id = ANY ($2) AND NOT done AND part = $3 AND epoch = $4";

const RAISE_FENCE: &str = "\
    INSERT INTO dedup_fences AS known (group_name, part, epoch) VALUES ($1, $2, $3)
    ON CONFLICT (group_name, part) DO UPDATE SET epoch = GREATEST(known.epoch, excluded.epoch)
    RETURNING epoch";

const LOOK_AT_FENCE: &str = "SELECT epoch FROM dedup_fences WHERE group_name = $1 AND part = $2";

const FENCE: &str = "DELETE FROM dedup_inbox WHERE group_name = $1 AND part = $2 AND NOT done AND epoch < $3";

/// Claims are kept a day longer than they hold: their owner may be at the event still, and ask.
const TIDY: &str = "\
    DELETE FROM dedup_inbox WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM dedup_inbox
        WHERE until_ms < $1 AND (done OR until_ms < $1 - 86400000) LIMIT $2))";

#[derive(Debug, QueryableByName)]
struct TakenRow {
    #[diesel(sql_type = Id)]
    id: Uuid,
}

#[derive(Debug, QueryableByName)]
struct FenceRow {
    #[diesel(sql_type = BigInt)]
    epoch: i64,
}

impl FenceRow {
    fn standing(&self, owner: &Owner) -> Standing {
        let by = Epoch(self.epoch.cast_unsigned());
        if by > owner.epoch { Standing::Fenced { by } } else { Standing::InForce }
    }
}

/// An id that is taken.
#[derive(Debug, QueryableByName)]
pub(super) struct KnownRow {
    #[diesel(sql_type = Id)]
    pub(super) id: Uuid,
    #[diesel(sql_type = BigInt)]
    pub(super) until_ms: i64,
    #[diesel(sql_type = Bool)]
    pub(super) done: bool,
}

/// Claims `ids`, each of which stands there once; gives back those that it got.
pub(super) async fn claim(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
    ids: &[Uuid],
    held: &[Uuid],
    now: Timestamp,
    until: Timestamp,
) -> QueryResult<Vec<Uuid>> {
    let rows: Vec<TakenRow> = sql_query(CLAIM)
        .bind::<Text, _>(owner.group.as_str())
        .bind::<Array<Id>, _>(ids)
        .bind::<BigInt, _>(part(owner))
        .bind::<BigInt, _>(epoch(owner))
        .bind::<BigInt, _>(now.0)
        .bind::<BigInt, _>(until.0)
        .bind::<Array<Id>, _>(held)
        .load(connection)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// What is known of ids that could not be claimed. Those that the owner holds are extended.
pub(super) async fn look(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
    ids: &[Uuid],
    until: Timestamp,
) -> QueryResult<Vec<KnownRow>> {
    sql_query(EXTEND)
        .bind::<Text, _>(owner.group.as_str())
        .bind::<Array<Id>, _>(ids)
        .bind::<BigInt, _>(part(owner))
        .bind::<BigInt, _>(epoch(owner))
        .bind::<BigInt, _>(until.0)
        .execute(connection)
        .await?;
    sql_query(LOOK).bind::<Text, _>(owner.group.as_str()).bind::<Array<Id>, _>(ids).load(connection).await
}

/// Marks `ids`, each of which stands there once, as done until the time that stands at the same place.
pub(super) async fn mark(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
    ids: &[Uuid],
    until: &[i64],
) -> QueryResult<usize> {
    sql_query(MARK)
        .bind::<Text, _>(owner.group.as_str())
        .bind::<Array<Id>, _>(ids)
        .bind::<Array<BigInt>, _>(until)
        .bind::<BigInt, _>(part(owner))
        .bind::<BigInt, _>(epoch(owner))
        .execute(connection)
        .await
}

/// As [`mark`], outside of a settlement: refused if a later owner has fenced this one.
pub(super) async fn mark_in_force(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
    ids: &[Uuid],
    until: &[i64],
) -> QueryResult<Standing> {
    let marked = sql_query(MARK_IN_FORCE)
        .bind::<Text, _>(owner.group.as_str())
        .bind::<Array<Id>, _>(ids)
        .bind::<Array<BigInt>, _>(until)
        .bind::<BigInt, _>(part(owner))
        .bind::<BigInt, _>(epoch(owner))
        .execute(connection)
        .await?;
    if marked > 0 || ids.is_empty() {
        return Ok(Standing::InForce);
    }
    let look = sql_query(LOOK_AT_FENCE).bind::<Text, _>(owner.group.as_str()).bind::<BigInt, _>(part(owner));
    Ok(look.get_result::<FenceRow>(connection).await?.standing(owner))
}

/// Ends claims of this owner.
pub(super) async fn end(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
    ids: &[Uuid],
) -> QueryResult<usize> {
    sql_query(END)
        .bind::<Text, _>(owner.group.as_str())
        .bind::<Array<Id>, _>(ids)
        .bind::<BigInt, _>(part(owner))
        .bind::<BigInt, _>(epoch(owner))
        .execute(connection)
        .await
}

/// Ends claims of earlier owners of the partition, and their right to mark.
pub(super) async fn fence(connection: &mut AsyncPgConnection, owner: &Owner) -> QueryResult<Standing> {
    let raise = sql_query(RAISE_FENCE)
        .bind::<Text, _>(owner.group.as_str())
        .bind::<BigInt, _>(part(owner))
        .bind::<BigInt, _>(epoch(owner));
    let standing = raise.get_result::<FenceRow>(connection).await?.standing(owner);
    if standing != Standing::InForce {
        return Ok(standing);
    }
    let end = sql_query(FENCE)
        .bind::<Text, _>(owner.group.as_str())
        .bind::<BigInt, _>(part(owner))
        .bind::<BigInt, _>(epoch(owner));
    end.execute(connection).await?;
    Ok(standing)
}

/// Clears away up to `rows` of what has ended by `now`; tells how many it were.
pub(super) async fn tidy(
    connection: &mut AsyncPgConnection,
    now: Timestamp,
    rows: i64,
) -> QueryResult<usize> {
    sql_query(TIDY).bind::<BigInt, _>(now.0).bind::<BigInt, _>(rows).execute(connection).await
}

fn part(owner: &Owner) -> i64 {
    owner.partition.0.into()
}

fn epoch(owner: &Owner) -> i64 {
    owner.epoch.0.cast_signed()
}
