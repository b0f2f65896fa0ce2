//! Who may look and act on the operators' side, how they prove who they are, and what they did.

use sea_orm::sea_query::{ColumnDef, Iden, Index, IntoIden, Table, TableCreateStatement};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0008_people"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_connection().get_database_backend();
        for mut table in [operators(), recovery_codes(), sessions(), tokens(), acts(), secrets()] {
            if backend == DbBackend::MySql {
                table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
            }
            manager.create_table(table).await?;
        }
        index(manager, OperatorSession::Table, "session_by_name", [OperatorSession::Name]).await?;
        index(manager, OperatorToken::Table, "token_by_name", [OperatorToken::Name]).await?;
        let by_who = [OperatorAct::Who, OperatorAct::Number];
        index(manager, OperatorAct::Table, "act_by_who", by_who).await?;
        let by_about = [OperatorAct::About, OperatorAct::Number];
        index(manager, OperatorAct::Table, "act_by_about", by_about).await
    }
}

/// Makes an index unless another run has: MySQL knows no `IF NOT EXISTS` for one.
async fn index<T: Iden + 'static>(
    manager: &SchemaManager<'_>,
    table: T,
    name: &str,
    columns: impl IntoIterator<Item = T>,
) -> Result<(), DbErr> {
    if manager.has_index(table.to_string(), name).await? {
        return Ok(());
    }
    let mut index = Index::create();
    index.name(name).table(table.into_iden());
    for column in columns {
        index.col(column.into_iden());
    }
    manager.create_index(index).await
}

fn operators() -> TableCreateStatement {
    Table::create()
        .table(Operator::Table)
        .if_not_exists()
        .col(ColumnDef::new(Operator::Name).string_len(32).not_null().primary_key())
        .col(ColumnDef::new(Operator::Role).string_len(16).not_null())
        .col(ColumnDef::new(Operator::Password).text().not_null())
        .col(ColumnDef::new(Operator::MustChange).boolean().not_null())
        .col(ColumnDef::new(Operator::SecondFactor).string_len(64))
        .col(ColumnDef::new(Operator::LastStep).big_integer())
        .col(ColumnDef::new(Operator::MadeAt).big_integer().not_null())
        .col(ColumnDef::new(Operator::MadeBy).string_len(64).not_null())
        .col(ColumnDef::new(Operator::DisabledAt).big_integer())
        .to_owned()
}

fn recovery_codes() -> TableCreateStatement {
    Table::create()
        .table(OperatorRecovery::Table)
        .if_not_exists()
        .col(ColumnDef::new(OperatorRecovery::Name).string_len(32).not_null())
        .col(ColumnDef::new(OperatorRecovery::Digest).string_len(64).not_null())
        .col(ColumnDef::new(OperatorRecovery::UsedAt).big_integer())
        .primary_key(Index::create().col(OperatorRecovery::Name).col(OperatorRecovery::Digest))
        .to_owned()
}

fn sessions() -> TableCreateStatement {
    Table::create()
        .table(OperatorSession::Table)
        .if_not_exists()
        .col(ColumnDef::new(OperatorSession::Digest).string_len(64).not_null().primary_key())
        .col(ColumnDef::new(OperatorSession::Name).string_len(32).not_null())
        .col(ColumnDef::new(OperatorSession::BeganAt).big_integer().not_null())
        .col(ColumnDef::new(OperatorSession::SeenAt).big_integer().not_null())
        .col(ColumnDef::new(OperatorSession::Address).string_len(64).not_null())
        .col(ColumnDef::new(OperatorSession::Agent).string_len(255).not_null())
        .to_owned()
}

fn tokens() -> TableCreateStatement {
    Table::create()
        .table(OperatorToken::Table)
        .if_not_exists()
        .col(ColumnDef::new(OperatorToken::Digest).string_len(64).not_null().primary_key())
        .col(ColumnDef::new(OperatorToken::Name).string_len(32).not_null())
        .col(ColumnDef::new(OperatorToken::Label).string_len(64).not_null())
        .col(ColumnDef::new(OperatorToken::Role).string_len(16).not_null())
        .col(ColumnDef::new(OperatorToken::MadeAt).big_integer().not_null())
        .col(ColumnDef::new(OperatorToken::ExpiresAt).big_integer().not_null())
        .col(ColumnDef::new(OperatorToken::SeenAt).big_integer())
        .to_owned()
}

fn acts() -> TableCreateStatement {
    Table::create()
        .table(OperatorAct::Table)
        .if_not_exists()
        .col(
            ColumnDef::new(OperatorAct::Number)
                .big_integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        )
        .col(ColumnDef::new(OperatorAct::At).big_integer().not_null())
        .col(ColumnDef::new(OperatorAct::Who).string_len(64).not_null())
        .col(ColumnDef::new(OperatorAct::By).string_len(128).not_null())
        .col(ColumnDef::new(OperatorAct::Act).string_len(32).not_null())
        .col(ColumnDef::new(OperatorAct::About).string_len(128).not_null())
        .col(ColumnDef::new(OperatorAct::Before).text())
        .col(ColumnDef::new(OperatorAct::After).text())
        .col(ColumnDef::new(OperatorAct::Reason).text())
        .col(ColumnDef::new(OperatorAct::Outcome).text())
        .to_owned()
}

fn secrets() -> TableCreateStatement {
    Table::create()
        .table(OperatorSecret::Table)
        .if_not_exists()
        .col(ColumnDef::new(OperatorSecret::Name).string_len(32).not_null().primary_key())
        .col(ColumnDef::new(OperatorSecret::Secret).string_len(64).not_null())
        .to_owned()
}

// A migration is frozen; it names its tables itself, whatever the entities become.

#[derive(DeriveIden)]
enum Operator {
    Table,
    Name,
    Role,
    Password,
    MustChange,
    SecondFactor,
    LastStep,
    MadeAt,
    MadeBy,
    DisabledAt,
}

#[derive(DeriveIden)]
enum OperatorRecovery {
    Table,
    Name,
    Digest,
    UsedAt,
}

#[derive(DeriveIden)]
enum OperatorSession {
    Table,
    Digest,
    Name,
    BeganAt,
    SeenAt,
    Address,
    Agent,
}

#[derive(DeriveIden)]
enum OperatorToken {
    Table,
    Digest,
    Name,
    Label,
    Role,
    MadeAt,
    ExpiresAt,
    SeenAt,
}

#[derive(DeriveIden)]
enum OperatorAct {
    Table,
    Number,
    At,
    Who,
    By,
    Act,
    About,
    Before,
    After,
    Reason,
    Outcome,
}

#[derive(DeriveIden)]
enum OperatorSecret {
    Table,
    Name,
    Secret,
}
