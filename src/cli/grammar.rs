//! Prints the query grammar, for people or for programs.

use image_origin::query::PARAMETERS;

use super::Failure;

pub(super) fn print(json: bool) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string_pretty(PARAMETERS).map_err(|error| error.to_string())?;
        println!("{text}");
        return Ok(());
    }
    for parameter in PARAMETERS {
        let aliases = parameter.aliases.iter().fold(String::new(), |text, alias| text + ", " + alias);
        println!("{}{aliases}", parameter.name);
        println!("    {}", parameter.help);
        println!("    takes {}; default: {}", parameter.allowed(), parameter.default);
    }
    Ok(())
}
