//! Minor units as people write money. For showing only: nothing is ever read back from it.

/// `100000` of `CNY` as `1,000.00 CNY`.
pub fn money(minor: i64, currency: &str) -> String {
    let decimals = decimals(currency);
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
    let (major, fraction) = digits.split_at(digits.len() - decimals);
    let mut text = String::new();
    if minor < 0 {
        text.push('-');
    }
    for (index, digit) in major.chars().enumerate() {
        if index > 0 && (major.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if decimals > 0 {
        text.push('.');
        text.push_str(fraction);
    }
    text.push(' ');
    text.push_str(currency);
    text
}

/// How many decimals ISO 4217 gives a currency: two, with these exceptions.
fn decimals(currency: &str) -> usize {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_as_people_write_it() {
        for (minor, currency, text) in [
            (0, "CNY", "0.00 CNY"),
            (1, "CNY", "0.01 CNY"),
            (100, "CNY", "1.00 CNY"),
            (99_999, "CNY", "999.99 CNY"),
            (100_000, "CNY", "1,000.00 CNY"),
            (-100_000, "CNY", "-1,000.00 CNY"),
            (999_999_999_999, "CNY", "9,999,999,999.99 CNY"),
            (1_234_567, "JPY", "1,234,567 JPY"),
            (1_234, "KWD", "1.234 KWD"),
            (i64::MIN, "CNY", "-92,233,720,368,547,758.08 CNY"),
        ] {
            assert_eq!(money(minor, currency), text);
        }
    }
}
