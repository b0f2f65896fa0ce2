//! Filters of the list of transfers that operators keep under a name.

use sea_orm::sea_query::{ColumnDef, Index, Table};
use sea_orm::{DbBackend, DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

/// An operator's views have different names.
const ONE_EACH: &str = "saved_view_by_owner";
/// Those that all see are counted and listed.
const BY_SHARED: &str = "saved_view_by_shared";

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0014_saved_views"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create()
            .table(SavedView::Table)
            .if_not_exists()
            .col(ColumnDef::new(SavedView::Id).string_len(32).not_null().primary_key())
            .col(ColumnDef::new(SavedView::Owner).string_len(32).not_null())
            .col(ColumnDef::new(SavedView::Name).string_len(100).not_null())
            .col(ColumnDef::new(SavedView::Query).text().not_null())
            .col(ColumnDef::new(SavedView::Shared).boolean().not_null())
            .col(ColumnDef::new(SavedView::MadeAt).big_integer().not_null())
            .col(ColumnDef::new(SavedView::Checksum).big_integer().not_null())
            .to_owned();
        if manager.get_database_backend() == DbBackend::MySql {
            // A name may be in any script, whatever the database's own letters are.
            table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
        }
        manager.create_table(table).await?;
        // MySQL knows no `IF NOT EXISTS` for an index.
        if !manager.has_index("saved_view", ONE_EACH).await? {
            let one_each = Index::create()
                .name(ONE_EACH)
                .table(SavedView::Table)
                .col(SavedView::Owner)
                .col(SavedView::Name)
                .unique()
                .to_owned();
            manager.create_index(one_each).await?;
        }
        if manager.has_index("saved_view", BY_SHARED).await? {
            return Ok(());
        }
        let by_shared = Index::create()
            .name(BY_SHARED)
            .table(SavedView::Table)
            .col(SavedView::Shared)
            .to_owned();
        manager.create_index(by_shared).await
    }
}

// A migration is frozen; it names its table itself, whatever the entity becomes.

#[derive(DeriveIden)]
enum SavedView {
    Table,
    Id,
    Owner,
    Name,
    Query,
    Shared,
    MadeAt,
    Checksum,
}
