//! Behind a proxy that terminates TLS, as a bridge is reached from elsewhere: the command line checks
//! whom it talks to, and signs what the bridge takes for its own address.

use anyhow::{Context, Result};
use std::fs;
use std::net::SocketAddr;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;
use system_tests::certificates::{Authority, Naming};
use system_tests::process::{free_address, program};
use system_tests::stage::{FOUND_WITHIN, Stage};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Terminates TLS for what listens at `behind`.
fn proxy(listener: TcpListener, acceptor: TlsAcceptor, behind: SocketAddr) {
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever does not like the certificate goes.
                let Ok(mut secured) = acceptor.accept(stream).await else { return };
                let Ok(mut plain) = TcpStream::connect(behind).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut secured, &mut plain).await;
            });
        }
    });
}

async fn command(stage: &Stage, arguments: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(program()?);
    command.args(arguments).current_dir(stage.folder()).kill_on_drop(true);
    let within = tokio::time::timeout(Duration::from_secs(20), command.output());
    within.await.context("it does not end")?.context("it does not start")
}

#[tokio::test]
async fn the_command_line_speaks_https_and_checks_whom_it_talks_to() -> Result<()> {
    let address = free_address()?.to_string();
    let mut stage = Stage::prepared(&format!(
        "[[counter]]\nid = 'securities'\ndialect = 'securities'\naddresses = ['{address}']\n\
         key_file = 'k'\n"
    ))?;
    let authority = Authority::new()?;
    authority.certify(stage.folder(), "localhost", Naming::Alternative)?;
    let file = |name: &str| stage.folder().join(name);
    fs::write(file("ca.pem"), authority.pem())?;
    fs::write(file("other.pem"), Authority::new()?.pem())?;
    let (api, operators) =
        (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let url = |listener: &TcpListener| {
        listener.local_addr().map(|address| format!("https://localhost:{}", address.port()))
    };
    let (api_url, operators_url) = (url(&api)?, url(&operators)?);
    let client = format!(
        "url = '{api_url}'\noperators = '{operators_url}'\nkey_id = 'demo-hmac'\nkey_file = \
         'demo-hmac.secret'\ntoken_file = 'tester.token'\n"
    );
    fs::write(file("no-authority.toml"), &client)?;
    for authority in ["ca", "other"] {
        fs::write(
            file(&format!("{authority}.toml")),
            format!("{client}ca_file = '{authority}.pem'\n"),
        )?;
    }
    let text = fs::read_to_string(file("bridge.toml"))?;
    fs::write(
        file("bridge.toml"),
        text.replace("[api]\n", &format!("[api]\npublic_url = '{api_url}'\n")),
    )?;
    let chain = CertificateDer::pem_file_iter(file("localhost.pem"))?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(file("localhost.key.pem"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    stage.restart().await?;
    proxy(api, acceptor.clone(), stage.api());
    proxy(operators, acceptor, stage.operators());
    let _counter = stage.counter(
        "securities",
        &["--listen", &address, "--account", "6001=1000", "--account", "6002=0"],
    )?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    let order =
        ["transfer", "--from", "securities:6001", "--to", "securities:6002", "--amount", "5"];
    let said = command(&stage, &[&order[..], &["--client", "ca.toml"]].concat()).await?;
    assert!(said.status.success(), "{said:?}");
    let said = command(&stage, &["status", "--client", "ca.toml"]).await?;
    assert!(said.status.success(), "{said:?}");
    // Whoever is not vouched for is not asked anything.
    for client in ["other.toml", "no-authority.toml"] {
        for arguments in [&order[..], &["status"]] {
            let said = command(&stage, &[arguments, &["--client", client]].concat()).await?;
            let words = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(!said.status.success() && words.contains("certificate"), "{client}: {words}");
        }
    }
    Ok(())
}
