//! `purge`: invalidates responses in CloudFront, and removes results from the result store.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use image_origin::purge::{Batch, CloudFront, InvalidationError, Target};
use image_origin::results::{ResultsSettings, StoredResult, StoredResults};
use tokio::time::Instant;

use super::failure::printable;
use super::settings::{Given, Purging};
use super::{Failure, print_line, runtime};

/// The time for which throttled calls are retried.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// The text at the end of `purge --help`.
pub(super) const HELP: &str = "\
Without --yes, only the plan is printed.

Responses are invalidated by cache tag, which selects exactly the responses of an original in all sizes. The distribution \
must have a CacheTagConfig; --paths invalidates by path prefix instead. CloudFront bills each tag and each path.

Results in the result store (--results) are removed by key. They do not become stale otherwise: a changed original has \
different results.

Credentials come from the default chain of the AWS SDKs; they need cloudfront:CreateInvalidation. The CDN of `serve --cdn` \
needs none.

Examples:
  image-origin purge --distribution E2EXAMPLE photos/a.jpg photos/b.jpg
  image-origin purge --distribution E2EXAMPLE --folder photos/2026 --yes
  image-origin purge --distribution LOCAL --endpoint http://127.0.0.1:8080 photo.jpg --yes";

/// The arguments of `purge`.
#[derive(Debug, Args)]
pub(super) struct PurgeArguments {
    /// Keys of originals whose responses are invalidated, as //HOST/KEY where the host decides about the source
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    /// Invalidate the responses of all originals in this folder and its subfolders
    #[arg(long, value_name = "FOLDER")]
    folder: Vec<String>,
    /// Invalidate all responses of this preset
    #[arg(long, value_name = "NAME")]
    preset: Vec<String>,
    /// Invalidate all responses with this cache tag
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// The id of the CloudFront distribution
    #[arg(long, value_name = "ID")]
    distribution: Option<String>,
    /// Invalidate by path instead of tag, for distributions without cache tags
    #[arg(long)]
    paths: bool,
    /// Perform the invalidation and the removal; without it, only the plan is printed
    #[arg(long)]
    yes: bool,
    /// The endpoint of CloudFront's API [default: AWS]
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_CLOUDFRONT")]
    endpoint: Option<String>,
    #[command(flatten)]
    settings: Given<Purging>,
}

/// A target, with its invalidation item and its stored results.
struct Planned {
    target: Target,
    item: Option<String>,
    results: Vec<StoredResult>,
}

pub(super) fn purge(arguments: &PurgeArguments) -> Result<(), Failure> {
    let targets = arguments.targets();
    if targets.is_empty() {
        return Err(Failure::usage("nothing to purge: expected keys, --folder, --preset or --tag"));
    }
    let results = arguments.settings.resolve()?.origin.results;
    if arguments.distribution.is_none() && results.is_none() {
        return Err(Failure::usage("no cache to purge: expected --distribution, --results or both"));
    }
    runtime()?.block_on(async {
        let store = results.as_ref().map(open).transpose()?;
        let plan = arguments.plan(targets, store.as_ref()).await?;
        tell(&plan, store.is_some())?;
        if !arguments.yes {
            return print_line("dry run: use --yes to purge");
        }
        // The results are removed first, so that no request after the invalidation is served from them.
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
            parts.push("stored results are kept, because they can be removed by key only".to_owned());
        }
        print_line(&printable(&format!("{target}: {}", parts.join(", "))))?;
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
    /// The targets of the arguments, without duplicates.
    fn targets(&self) -> Vec<Target> {
        let of = |names: &[String], target: fn(String) -> Target| names.iter().cloned().map(target).collect::<Vec<_>>();
        // Two slashes are followed by the host of a source.
        let without_slash = |key: &String| match key.strip_prefix('/') {
            Some(rest) if !rest.starts_with('/') => rest.to_owned(),
            _ => key.clone(),
        };
        let without_slash: Vec<String> = self.keys.iter().map(without_slash).collect();
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
                let wait = wait.as_secs_f64().max(1.0);
                eprintln!("{}", printable(&format!("image-origin: {error}; retrying in {wait:.0} s")));
            };
            let invalidated = cloudfront.invalidate(distribution, &batch, deadline, waiting).await;
            let id = invalidated.map_err(|error| error.to_string())?;
            print_line(&format!("created invalidation {id} of {} items", batch.items.len()))?;
        }
        Ok(())
    }
}
