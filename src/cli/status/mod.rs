//! `certlet status`: what is not well, what is renewed next, and the state of one object on one screen.
//!
//! | module | what it is |
//! |---|---|
//! | [`gather`] | reads what a report is about |
//! | [`report`] | the report about one object |
//! | [`overview`], [`text`] | overview and report as text |
//! | [`screen`] | colours and columns |
//! | [`targets`] | objects that do not have the CA that is to be injected |

mod gather;
mod overview;
mod report;
mod screen;
mod targets;
mod text;

use std::{io, process::ExitCode, sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;
use tokio::sync::Notify;

use super::{
    complete,
    format::{self, Format},
    plan,
    target::{Connected, Target, run_to_end},
};
use crate::{
    api::reference::{CLUSTER_ISSUER_KIND, ISSUER_KIND},
    cluster::{
        self,
        index::{Index, Observer},
        overview::Unlisted,
        reader::Reader,
    },
    plan::{
        backoff::Backoff,
        overview::{Overview, Question},
        seen::ObjectKey,
    },
    process::clock,
    runtime::status::page::Page,
};
use gather::Subject;
use report::Report;
use screen::Screen;
use targets::Targets;

/// With --watch: changes within this time are shown together.
const TOGETHER: Duration = Duration::from_millis(250);
/// With --watch on a terminal: how often relative times are drawn again. Nothing is read for that.
const TICK: Duration = Duration::from_secs(20);

/// Show what is not well, most urgent first, and what is renewed next; or the state of one object and what happens next
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit status:
  0  all is well
  3  something is not well; it was printed
  1  an error
  2  invalid arguments

Examples:
  certlet status -A                        everything that is not well, in all namespaces
  certlet status certificate web -n shop   one Certificate: its request, order, challenges, Secret, Events, the next attempt
  certlet status -A --watch                drawn again after each change
  certlet status -A -o json | jq -r '.problems[] | [.urgency, .namespace, .name, .reason] | @tsv'
  certlet status -A --page status.html     a page to look at or to send")]
pub(super) struct StatusArgs {
    /// Kind of one object
    #[arg(value_enum, requires = "name")]
    kind: Option<What>,
    /// Its name
    #[arg(add = ArgValueCandidates::new(complete::of_status))]
    name: Option<String>,
    #[command(flatten)]
    target: Target,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "kind"])]
    all_namespaces: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    /// Continue, and print again after each change
    #[arg(short, long)]
    watch: bool,
    /// Write the status page to this file, in place of a text; - is standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kind", "output", "watch"])]
    page: Option<String>,
}

/// The kind of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lowercase")]
pub(super) enum What {
    /// A Certificate.
    #[value(aliases = ["cert", "certs", "certificates"])]
    Certificate,
    /// An Issuer.
    #[value(alias = "issuers")]
    Issuer,
    /// A ClusterIssuer.
    #[value(alias = "clusterissuers")]
    ClusterIssuer,
    /// An Ingress.
    #[value(aliases = ["ing", "ingresses"])]
    Ingress,
    /// A Gateway.
    #[value(aliases = ["gtw", "gateways"])]
    Gateway,
    /// A ListenerSet.
    #[value(aliases = ["lset", "listenersets"])]
    ListenerSet,
    /// An Order.
    #[value(alias = "orders")]
    Order,
    /// A CertificateRequest.
    #[value(aliases = ["cr", "certificaterequest", "certificaterequests", "requests"])]
    Request,
}

impl What {
    /// Its kind.
    fn kind(self) -> &'static str {
        match self {
            Self::Certificate => "Certificate",
            Self::Issuer => ISSUER_KIND,
            Self::ClusterIssuer => CLUSTER_ISSUER_KIND,
            Self::Ingress => "Ingress",
            Self::Gateway => "Gateway",
            Self::ListenerSet => "ListenerSet",
            Self::Order => "Order",
            Self::Request => "CertificateRequest",
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &StatusArgs) -> ExitCode {
    match run_to_end(status(args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(super::NEGATIVE),
        Err(error) => super::fail(&error),
    }
}

/// What is shown.
enum Shown {
    Overview(Box<Overview>),
    Report(Box<Report>),
}

/// What is asked, and where it is read from.
struct View {
    index: Arc<Index>,
    reader: Reader,
    question: Question,
    unlisted: Vec<Unlisted>,
    /// The only object.
    subject: Option<(What, ObjectKey)>,
    /// Objects that get CAs, in the overview of all namespaces.
    targets: Option<Targets>,
}

/// Whether all is well.
async fn status(args: &StatusArgs) -> Result<bool, String> {
    let Connected {
        client,
        namespace,
        api_server_ca,
    } = args.target.connect_to_read().await?;
    let subject = args.kind.zip(args.name.as_deref()).map(|(what, name)| match what {
        What::ClusterIssuer => (what, ObjectKey::cluster(name)),
        What::Certificate
        | What::Issuer
        | What::Ingress
        | What::Gateway
        | What::ListenerSet
        | What::Order
        | What::Request => (what, ObjectKey::new(namespace.as_str(), name)),
    });
    let everywhere = args.all_namespaces || subject.as_ref().is_some_and(|(what, _)| *what == What::ClusterIssuer);
    let namespace = (!everywhere).then_some(namespace);
    let reader = Reader::new(client.clone());
    let settings = plan::flags::running_settings(&client).await;
    let mut targets = if everywhere && subject.is_none() {
        Some(Targets::new(&reader, &settings, api_server_ca)?)
    } else {
        None
    };
    let index = targets
        .as_ref()
        .map_or_else(Arc::default, |targets| Arc::clone(targets.index()));
    let list_targets = async {
        if let Some(targets) = &mut targets {
            targets.list(&reader).await;
        }
    };
    let (unlisted, ()) = tokio::join!(
        cluster::overview::list(&client, namespace.as_deref(), &index),
        list_targets
    );
    let unlisted = unlisted.map_err(|error| not_read(&error))?;
    let question = Question {
        namespace: namespace.clone(),
        backoff: Backoff {
            first: settings.minimum_backoff,
            longest: settings.maximum_backoff,
        },
        unlisted: unlisted.iter().map(|unlisted| unlisted.kind).collect(),
    };
    let view = View {
        index,
        reader,
        question,
        unlisted,
        subject,
        targets,
    };
    let shown = view.now().await?;
    if let (Some(file), Shown::Overview(overview)) = (&args.page, &shown) {
        write_page(file, overview)?;
        return Ok(shown.is_well());
    }
    if args.watch {
        view.watch(args.output, shown).await?;
        return Ok(true);
    }
    super::printed(shown.print(args.output, Screen::stdout()))?;
    Ok(shown.is_well())
}

fn not_read(error: &cluster::Error) -> String {
    if error.is_not_found() {
        return format!("{error}. Are the definitions in crds/, or those of cert-manager, applied?");
    }
    error.to_string()
}

fn write_page(file: &str, overview: &Overview) -> Result<(), String> {
    let page = Page {
        overview,
        controller: None,
    };
    let page = page.html();
    if file == "-" {
        return super::print(&page);
    }
    std::fs::write(file, page).map_err(|error| format!("cannot write {file}: {error}"))
}

impl Shown {
    fn is_well(&self) -> bool {
        match self {
            Self::Overview(overview) => overview.well,
            Self::Report(report) => report.well,
        }
    }

    fn print(&self, output: Format, screen: Screen) -> io::Result<()> {
        match (output, self) {
            (Format::Table, _) => screen::print(&self.text(screen)),
            (Format::Json | Format::Yaml, Self::Overview(overview)) => print_value(output, overview.as_ref()),
            (Format::Json | Format::Yaml, Self::Report(report)) => print_value(output, report.as_ref()),
        }
    }

    fn text(&self, screen: Screen) -> String {
        match self {
            Self::Overview(overview) => overview::text(overview, screen),
            Self::Report(report) => text::text(report, screen),
        }
    }
}

fn print_value<T: Serialize>(output: Format, value: &T) -> io::Result<()> {
    let mut out = io::stdout();
    match output {
        Format::Json => format::json(&mut out, value),
        Format::Table | Format::Yaml => format::yaml(&mut out, value),
    }
}

impl View {
    /// The state now, from the index. Of one object, its Secret and Events are read.
    async fn now(&self) -> Result<Shown, String> {
        let now = clock::now();
        let mut incomplete: Vec<String> = self.unlisted.iter().map(|unlisted| unlisted.sentence.clone()).collect();
        let Some((what, key)) = &self.subject else {
            let seen = cluster::overview::seen(&self.index);
            let mut overview = crate::plan::overview::overview(now, &self.question, seen);
            if let Some(targets) = &self.targets {
                let (problems, unread) = targets.problems().await;
                overview = overview.with_problems(problems);
                incomplete.extend(unread);
            }
            overview.incomplete = incomplete;
            return Ok(Shown::Overview(Box::new(overview)));
        };
        let subject = Subject {
            what: *what,
            key: key.clone(),
            index: &self.index,
            reader: &self.reader,
            question: &self.question,
        };
        let report = subject.report(now, incomplete).await?;
        Ok(Shown::Report(Box::new(report)))
    }

    /// Prints the state, and again after each change, until standard output is closed. Watches report the changes.
    async fn watch(self, output: Format, first: Shown) -> Result<(), String> {
        let changed = Arc::new(Notify::new());
        let notify = Arc::clone(&changed);
        let observer: Observer = Arc::new(move |_| notify.notify_one());
        let namespace = self.question.namespace.as_deref();
        cluster::overview::follow(self.reader.client(), namespace, &self.index, &observer);
        if let Some(targets) = &self.targets {
            targets.follow(&self.reader, &observer);
        }
        if let (Some(_), Some(namespace)) = (&self.subject, namespace) {
            let notify = Arc::clone(&changed);
            cluster::overview::follow_events(self.reader.client(), namespace, move || notify.notify_one());
        }
        let (mut shown, mut before) = (first, None);
        loop {
            let screen = Screen::stdout();
            let text = shown.text(screen);
            if before.as_ref() != Some(&text) {
                let drawn = match (output, screen.height) {
                    (Format::Table, Some(height)) => screen::draw(&text, height),
                    _ => shown.print(output, screen),
                };
                match drawn {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    drawn => drawn.map_err(|error| format!("cannot print: {error}"))?,
                }
                before = Some(text);
            }
            let tick = async {
                match screen.width {
                    Some(_) => tokio::time::sleep(TICK).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed.notified() => tokio::time::sleep(TOGETHER).await,
                () = tick => {}
            }
            shown = self.now().await?;
        }
    }
}
