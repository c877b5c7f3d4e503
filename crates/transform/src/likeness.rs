//! What `q=auto` tells of a file: how it is encoded, and how similar it is to the picture before.

use std::fmt;
use std::str::FromStr;

/// How a file of `q=auto` is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// With this quality, in `1..=100` on JPEG's scale.
    Quality(u8),
    /// With a palette of at most this number of colours.
    Colors(u16),
    /// Without loss.
    Lossless,
}

/// How a file of `q=auto` is encoded, and its likeness to the picture before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Likeness {
    /// How it is encoded.
    pub setting: Setting,
    /// SSIMULACRA2 in tenths; 1000 is identical, and there is no minimum.
    pub tenths: i32,
}

impl Likeness {
    /// Rounds a score.
    pub(super) fn new(setting: Setting, score: f64) -> Self {
        Self { setting, tenths: (score * 10.0).round() as i32 }
    }
}

impl fmt::Display for Likeness {
    /// A dictionary of RFC 9651, such as `q=71, ssimulacra2=80.4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.setting {
            Setting::Quality(quality) => write!(f, "q={quality}")?,
            Setting::Colors(colors) => write!(f, "colors={colors}")?,
            Setting::Lossless => f.write_str("lossless")?,
        }
        write!(f, ", ssimulacra2={:.1}", f64::from(self.tenths) / 10.0)
    }
}

impl FromStr for Likeness {
    type Err = ();

    /// Parses the output of `Display`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (setting, score) = text.split_once(", ssimulacra2=").ok_or(())?;
        let setting = match setting.split_once('=') {
            Some(("q", quality)) => Setting::Quality(quality.parse().map_err(drop)?),
            Some(("colors", colors)) => Setting::Colors(colors.parse().map_err(drop)?),
            None if setting == "lossless" => Setting::Lossless,
            _ => return Err(()),
        };
        let score: f64 = score.parse().map_err(drop)?;
        if score.is_finite() { Ok(Self::new(setting, score)) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_round_trip() {
        for (setting, score, text) in [
            (Setting::Quality(71), 80.44, "q=71, ssimulacra2=80.4"),
            (Setting::Colors(16), -3.96, "colors=16, ssimulacra2=-4.0"),
            (Setting::Lossless, 100.0, "lossless, ssimulacra2=100.0"),
        ] {
            let likeness = Likeness::new(setting, score);
            assert_eq!((likeness.to_string().as_str(), text.parse()), (text, Ok(likeness)));
        }
        for text in
            ["", "q=71", "q=x, ssimulacra2=1", "exact, ssimulacra2=1", "q=1, ssimulacra2=NaN", "q=1, ssimulacra2="]
        {
            assert_eq!(text.parse::<Likeness>(), Err(()), "{text}");
        }
    }
}
