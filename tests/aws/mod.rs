//! The handlers and the source for AWS, end to end: the real binary, against an S3 server that checks
//! signatures, a proxy that breaks what passes it, and a server of the Lambda Runtime API.

mod authority;
mod boto;
mod cloudfront;
mod emulator;
mod function_url;
mod key_values;
mod lambda;
mod long_run;
mod object_lambda;
mod package;
mod policy;
mod program;
mod proxy;
mod purge;
mod reload;
mod s3_source;
mod signature;
mod sources;
mod store;
mod tls;
mod web_function;
