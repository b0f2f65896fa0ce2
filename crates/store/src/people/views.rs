//! Filters of the list of transfers that operators keep under a name: each its owner's, or shared with all.

use super::People;
use super::acts::{Act, DONE, Known, add, locked};
use crate::checksum;
use crate::entity::saved_view::{ActiveModel, Column, Entity, Model};
use crate::error::StoreError;
use crate::query::ask;
use foreign::ForeignText;
use people::OperatorName;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
};

/// A filter of the list of transfers, under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedView {
    /// Identifies it: 32 hexadecimal digits.
    pub id: String,
    /// Whose it is.
    pub owner: OperatorName,
    /// What its owner calls it; at most [`SavedView::LONGEST_NAME`] characters.
    pub name: ForeignText,
    /// What stands behind the question mark in the address of the list; at most [`SavedView::LONGEST_QUERY`] bytes.
    pub query: String,
    /// Whether all operators see it.
    pub shared: bool,
    /// Since when there is it, in microseconds since 1970 UTC.
    pub made_at: i64,
}

impl SavedView {
    /// Characters in a name, of whatever script.
    pub const LONGEST_NAME: usize = 100;
    /// Bytes in a query.
    pub const LONGEST_QUERY: usize = 2048;
    /// Views that one operator may have, shared ones among them.
    pub const MOST_EACH: u64 = 50;
    /// Views that are shared with all, of all operators together.
    pub const MOST_SHARED: u64 = 100;
}

/// Why a view was not saved or not deleted, and nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewRefused {
    /// Whoever says it is not known any more.
    NotKnown,
    /// Its owner has a view of that name.
    Exists,
    /// Its owner has as many as one may have.
    TooMany,
    /// As many are shared as may be.
    TooManyShared,
    /// There is none of that id that whoever asks may see.
    NoSuch,
    /// It is another's.
    Anothers(OperatorName),
    /// The database did not take it, or did not say so.
    Store(StoreError),
}

impl From<StoreError> for ViewRefused {
    fn from(error: StoreError) -> ViewRefused {
        ViewRefused::Store(error)
    }
}

impl People {
    /// The views that an operator sees, by name: the operator's own, and those that are shared. One whose row is not what
    /// was written is left out.
    pub async fn views(&self, name: &OperatorName) -> Result<Vec<SavedView>, StoreError> {
        let seen =
            Condition::any().add(Column::Owner.eq(name.as_str())).add(Column::Shared.eq(true));
        let query = Entity::find().filter(seen).order_by_asc(Column::Name).order_by_asc(Column::Id);
        let rows = ask(query.all(&self.readers)).await?;
        let views = rows.into_iter().filter_map(|row| {
            let id = row.id.clone();
            view(row)
                .inspect_err(|error| tracing::error!(id, %error, "a saved view cannot be shown"))
                .ok()
        });
        Ok(views.collect())
    }

    /// Keeps a view, and the act with it, for whoever is known by this and may still act.
    pub async fn save_view(
        &self,
        view: &SavedView,
        act: &Act,
        by: &Known,
    ) -> Result<(), ViewRefused> {
        self.change(async |transaction| {
            // Its owner's row is locked: of two at once the other counts what this one adds. Those that share take
            // turns, for each who changes something here does.
            let holder = by.holder(transaction).await?;
            let owner = view.owner.as_str();
            let operator = locked(transaction, owner).await?;
            if holder.as_deref() != Some(owner)
                || operator.is_none_or(|operator| operator.disabled_at.is_some())
            {
                return Ok(Err(ViewRefused::NotKnown));
            }
            let own = || Entity::find().filter(Column::Owner.eq(owner));
            let namesake = own().filter(Column::Name.eq(view.name.as_received()));
            if namesake.one(transaction).await?.is_some() {
                return Ok(Err(ViewRefused::Exists));
            }
            if own().count(transaction).await? >= SavedView::MOST_EACH {
                return Ok(Err(ViewRefused::TooMany));
            }
            let shared = Entity::find().filter(Column::Shared.eq(true));
            if view.shared && shared.count(transaction).await? >= SavedView::MOST_SHARED {
                return Ok(Err(ViewRefused::TooManyShared));
            }
            Entity::insert(row(view)).exec_without_returning(transaction).await?;
            add(transaction, act, Some(DONE)).await?;
            Ok(Ok(()))
        })
        .await
    }

    /// Deletes a view, and records the act with what it was: one's own, and for an admin any. Another's that is not
    /// shared is as if there were none, for whoever is no admin.
    pub async fn delete_view(
        &self,
        id: &str,
        (name, is_admin): (&OperatorName, bool),
        act: &Act,
        by: &Known,
    ) -> Result<(), ViewRefused> {
        self.change(async |transaction| {
            let holder = by.holder(transaction).await?;
            let operator = locked(transaction, name.as_str()).await?;
            if holder.as_deref() != Some(name.as_str())
                || operator.is_none_or(|operator| operator.disabled_at.is_some())
            {
                return Ok(Err(ViewRefused::NotKnown));
            }
            let Some(found) = Entity::find_by_id(id).one(transaction).await? else {
                return Ok(Err(ViewRefused::NoSuch));
            };
            if found.owner != name.as_str() && !is_admin {
                let owner = found.owner.parse().ok().filter(|_| found.shared);
                return Ok(Err(owner.map_or(ViewRefused::NoSuch, ViewRefused::Anothers)));
            }
            let before = words(&found.owner, &found.name, &found.query, found.shared);
            let act = Act { before: Some(before.into()), ..act.clone() };
            Entity::delete_by_id(id).exec(transaction).await?;
            add(transaction, &act, Some(DONE)).await?;
            Ok(Ok(()))
        })
        .await
    }
}

impl SavedView {
    /// What it is, for the record of acts.
    pub fn words(&self) -> ForeignText {
        words(self.owner.as_str(), self.name.as_received(), &self.query, self.shared).into()
    }
}

fn words(owner: &str, name: &str, query: &str, shared: bool) -> String {
    let shared = if shared { "shared" } else { "private" };
    format!("{owner}, {shared}, {query}: {name}")
}

fn sum(row: &Model) -> i64 {
    checksum::Sum::of("saved_view", row.made_at)
        .text(&row.id)
        .text(&row.owner)
        .text(&row.name)
        .text(&row.query)
        .number(row.shared.into())
        .end()
}

fn row(view: &SavedView) -> ActiveModel {
    let mut row = Model {
        id: view.id.clone(),
        owner: view.owner.to_string(),
        name: view.name.as_received().to_owned(),
        query: view.query.clone(),
        shared: view.shared,
        made_at: view.made_at,
        checksum: 0,
    };
    row.checksum = sum(&row);
    ActiveModel {
        id: Set(row.id),
        owner: Set(row.owner),
        name: Set(row.name),
        query: Set(row.query),
        shared: Set(row.shared),
        made_at: Set(row.made_at),
        checksum: Set(row.checksum),
    }
}

fn view(row: Model) -> Result<SavedView, StoreError> {
    checksum::check(row.made_at, "a saved view", Some(row.checksum), || sum(&row))?;
    let owner = row.owner.parse();
    Ok(SavedView {
        owner: owner.map_err(|error| StoreError::corrupt(row.made_at, &format!("{error}")))?,
        id: row.id,
        name: row.name.into(),
        query: row.query,
        shared: row.shared,
        made_at: row.made_at,
    })
}
