//! `purge`: takes answers back by hand, from CloudFront and from a store of results.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use image_origin::purge::{Batch, CloudFront, InvalidationError, Target};
use image_origin::results::{ResultsSettings, StoredResult, StoredResults};
use tokio::time::Instant;

use super::settings::{Given, Purging};
use super::{Failure, print_line, runtime};

/// How long CloudFront may have too much to do.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What is shown after the flags.
pub(super) const HELP: &str = "\
Nothing is done without --yes: what would be done is printed.

Answers are named by their cache tags, so that all sizes go at once and nothing else does. The distribution must have a \
CacheTagConfig; --paths does without, and takes all whose path begins so. CloudFront bills each tag and each path.

Results that are kept in a store (--results) are removed by key. None of them is wrong if it stays: a changed original has \
other results.

Credentials are found as by every AWS program; they need cloudfront:CreateInvalidation. The CDN of `serve --cdn` needs none.

Try:
  image-origin purge --distribution E2EXAMPLE photos/a.jpg photos/b.jpg
  image-origin purge --distribution E2EXAMPLE --folder photos/2026 --yes
  image-origin purge --distribution LOCAL --endpoint http://127.0.0.1:8080 photo.jpg --yes";

/// What `purge` takes.
#[derive(Debug, Args)]
pub(super) struct PurgeArguments {
    /// Originals whose answers are taken back, by their keys
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    /// All answers made of originals in this folder, or in a folder in it
    #[arg(long, value_name = "FOLDER")]
    folder: Vec<String>,
    /// All answers made by this preset
    #[arg(long, value_name = "NAME")]
    preset: Vec<String>,
    /// All answers with this cache tag
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// The CloudFront distribution that is to forget them
    #[arg(long, value_name = "ID")]
    distribution: Option<String>,
    /// Name paths instead of tags, for distributions without cache tags
    #[arg(long)]
    paths: bool,
    /// Do it
    #[arg(long)]
    yes: bool,
    /// Where CloudFront's API is [default: AWS]
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_CLOUDFRONT")]
    endpoint: Option<String>,
    #[command(flatten)]
    settings: Given<Purging>,
}

/// One target, with the item that names it to CloudFront and the results that are stored of it.
struct Planned {
    target: Target,
    item: Option<String>,
    results: Vec<StoredResult>,
}

pub(super) fn purge(arguments: &PurgeArguments) -> Result<(), Failure> {
    let targets = arguments.targets();
    if targets.is_empty() {
        return Err(Failure::usage("name what is to be taken back: keys, --folder, --preset or --tag"));
    }
    let results = arguments.settings.resolve()?.origin.results;
    if arguments.distribution.is_none() && results.is_none() {
        return Err(Failure::usage("name where it is to be taken back: --distribution, --results or both"));
    }
    runtime()?.block_on(async {
        let store = results.as_ref().map(open).transpose()?;
        let plan = arguments.plan(targets, store.as_ref()).await?;
        tell(&plan, store.is_some())?;
        if !arguments.yes {
            return print_line("nothing was done; --yes does it");
        }
        // First, so that nobody who is told to ask again is given one of these.
        if let Some(store) = &store {
            remove(store, &plan).await?;
        }
        arguments.invalidate(plan).await
    })
}

fn open(settings: &ResultsSettings) -> Result<StoredResults, Failure> {
    Ok(StoredResults::open(settings).map_err(|error| error.to_string())?)
}

fn tell(plan: &[Planned], has_store: bool) -> Result<(), Failure> {
    for Planned { target, item, results } in plan {
        let mut parts: Vec<String> = item.iter().cloned().collect();
        if has_store && matches!(target, Target::Key(_)) {
            let bytes: u64 = results.iter().map(StoredResult::bytes).sum();
            parts.push(format!("{} stored results of {bytes} bytes", results.len()));
        } else if has_store {
            parts.push("stored results stay, as they are named after single originals".to_owned());
        }
        print_line(&format!("{target}: {}", parts.join(", ")))?;
    }
    Ok(())
}

async fn remove(store: &StoredResults, plan: &[Planned]) -> Result<(), Failure> {
    let results = plan.iter().flat_map(|planned| &planned.results);
    let mut removed = 0;
    for result in results {
        store.remove(result).await.map_err(|error| error.to_string())?;
        removed += 1;
    }
    print_line(&format!("removed {removed} results"))
}

impl PurgeArguments {
    /// What is named, each once.
    fn targets(&self) -> Vec<Target> {
        let of = |names: &[String], target: fn(String) -> Target| names.iter().cloned().map(target).collect::<Vec<_>>();
        let without_slash: Vec<String> =
            self.keys.iter().map(|key| key.strip_prefix('/').unwrap_or(key).to_owned()).collect();
        let mut targets = [
            of(&without_slash, Target::Key),
            of(&self.folder, Target::Folder),
            of(&self.preset, Target::Preset),
            of(&self.tag, Target::Tag),
        ]
        .concat();
        let mut seen = HashSet::new();
        targets.retain(|target| seen.insert(target.clone()));
        targets
    }

    async fn plan(&self, targets: Vec<Target>, store: Option<&StoredResults>) -> Result<Vec<Planned>, Failure> {
        let mut plan = Vec::with_capacity(targets.len());
        for target in targets {
            let item = if self.paths { target.by_path() } else { target.by_tag() };
            let item = item.map_err(|error| Failure::usage(error.to_string()))?;
            let results = match (&target, store) {
                (Target::Key(key), Some(store)) => store.of(key).await.map_err(|error| error.to_string())?,
                _ => Vec::new(),
            };
            plan.push(Planned { target, item: self.distribution.is_some().then_some(item), results });
        }
        Ok(plan)
    }

    async fn invalidate(&self, plan: Vec<Planned>) -> Result<(), Failure> {
        let Some(distribution) = &self.distribution else { return Ok(()) };
        let mut items: Vec<String> = plan.into_iter().filter_map(|planned| planned.item).collect();
        items.sort();
        items.dedup();
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
        let cloudfront = CloudFront::start(self.endpoint.as_deref()).await;
        for batch in Batch::grouped(items, &format!("image-origin-{time}-{}", std::process::id())) {
            let deadline = Instant::now() + PATIENCE;
            let waiting = |error: &InvalidationError, wait: Duration| {
                eprintln!("image-origin: {error}; trying again in {:.0} s", wait.as_secs_f64().max(1.0));
            };
            let invalidated = cloudfront.invalidate(distribution, &batch, deadline, waiting).await;
            let id = invalidated.map_err(|error| error.to_string())?;
            print_line(&format!("invalidation {id} of {} items is under way", batch.items.len()))?;
        }
        Ok(())
    }
}
