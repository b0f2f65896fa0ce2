//! What is said of the database, and how its URL is made.

use super::*;

#[test]
fn the_databases_password_comes_from_a_file_or_a_variable() {
    let url = |text: &str, variables: &[(&str, &str)]| {
        read_with(text, variables).map(|config| config.database.expose_secret().to_owned())
    };
    let file = "database = 'mysql://me@h:3306/x'\ndatabase_password_file = '/keys/password'";
    assert_eq!(url(file, &[]).as_deref(), Ok("mysql://me:p%40ss@h:3306/x"));
    let variable = "database = 'mysql://me@h:3306/x'\ndatabase_password_env = 'P'";
    assert_eq!(url(variable, &[("P", "s/s")]).as_deref(), Ok("mysql://me:s%2Fs@h:3306/x"));
    let whole = [("COUNTER_BRIDGE__DATABASE", "mysql://me:geheim@h/x")];
    assert_eq!(url("", &whole).as_deref(), Ok("mysql://me:geheim@h/x"));
    assert_eq!(read_with("", &whole).expect("good").database_shown(), "mysql://me@h/x");

    for (text, variables, word) in [
        ("database = 'mysql://me:geheim@h/x'", &[][..], "a password must not stand here"),
        ("database_password = 'geheim'", &[], "a secret must not stand here"),
        ("database_password_file = '/keys/password'", &[], "names no user"),
        (file, &whole[..], "another one is configured"),
    ] {
        let told = told(text, variables);
        assert!(told.iter().any(|told| told.contains(word)), "{text}: {told:?}");
        assert!(told.iter().all(|told| !told.contains("geheim")), "{told:?}");
    }
}

#[test]
fn what_is_expected_of_the_database_goes_into_its_url() {
    let url = |text: &str| read(text).map(|config| config.database.expose_secret().to_owned());
    let server = "database = 'mysql://me@h/x'\n";
    for (text, expected) in [
        (format!("{server}database_durability = 'full'"), "mysql://me@h/x"),
        (format!("{server}database_durability = 'as_it_is'"), "mysql://me@h/x?durability=as_it_is"),
        (
            "database_durability = 'as_it_is'".to_owned(),
            "sqlite://data/counter-bridge.sqlite?durability=as_it_is",
        ),
    ] {
        assert_eq!(url(&text).as_deref(), Ok(expected), "{text}");
    }
    let noted = |text: &str| read(text).expect("good").notes.len();
    assert_eq!(noted(server), 0);
    assert_eq!(noted("database = 'mysql://me@h/x?ssl-mode=disabled'"), 1);
    assert_eq!(noted("database_durability = 'as_it_is'"), 1);
    for (text, word) in [
        (
            "database_durability = 'full'\ndatabase = 'mysql://me@h/x?tls=on'",
            "no parameter \"tls\"",
        ),
        ("database_durability = 'none'", "\"as_it_is\""),
        ("database_ca_file = 'good'", "not spoken to over TLS"),
        ("database = 'mysql://me@h/x'\ndatabase_ca_file = 'absent'", "cannot be read"),
        ("database = 'mysql://me@h/x'\ndatabase_ca_file = 'good'", "no certificate"),
    ] {
        let told = told(text, &[]);
        assert!(told.iter().any(|told| told.contains(word)), "{text}: {told:?}");
    }
}
