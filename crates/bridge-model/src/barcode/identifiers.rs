//! The application identifiers of GS1 that are understood, each with its meaning and the form of its value.

/// An application identifier.
#[derive(Debug, Clone)]
pub(super) struct Identifier {
    /// Its digits. Those of measures and amounts are followed by one more, the number of decimals.
    pub(super) code: &'static str,
    pub(super) meaning: &'static str,
    pub(super) form: Form,
    pub(super) unit: Option<&'static str>,
}

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// So many digits.
    Digits(usize),
    /// So many digits, the last of which is a check digit.
    Checked(usize),
    /// At most so many digits.
    DigitsTo(usize),
    /// At most so many characters.
    TextTo(usize),
    /// Six digits: a day.
    Day,
    /// Six digits with decimals.
    Measure,
    /// At most fifteen digits with decimals.
    Amount,
    /// The three digits of a currency, and then an amount.
    AmountIn,
}

impl Form {
    /// Whether the identifier has a fourth digit that says how many decimals there are.
    pub(super) fn has_decimals(self) -> bool {
        matches!(self, Self::Measure | Self::Amount | Self::AmountIn)
    }

    /// The least and the most characters of a value.
    pub(super) fn length(self) -> (usize, usize) {
        match self {
            Self::Digits(count) | Self::Checked(count) => (count, count),
            Self::DigitsTo(most) | Self::TextTo(most) => (1, most),
            Self::Day | Self::Measure => (6, 6),
            Self::Amount => (1, 15),
            Self::AmountIn => (4, 18),
        }
    }

    /// In the notation of the standard.
    pub(super) fn notation(self) -> String {
        match self {
            Self::TextTo(most) => format!("an..{most}"),
            Self::AmountIn => "n3+n..15".to_owned(),
            _ => match self.length() {
                (least, most) if least == most => format!("n{most}"),
                (_, most) => format!("n..{most}"),
            },
        }
    }
}

impl Identifier {
    /// Whether the length of its element is fixed by the standard, so that no separator needs to follow: that is so for
    /// these beginnings, and no other identifier will ever begin with them.
    pub(super) fn has_set_length(&self) -> bool {
        let start = self.code.get(..2).unwrap_or_default();
        matches!(start.parse::<u8>(), Ok(0..=4 | 11..=20 | 31..=36 | 41))
    }

    /// How many characters the identifier itself has.
    pub(super) fn characters(&self) -> usize {
        self.code.len() + usize::from(self.form.has_decimals())
    }
}

/// The identifier that a text begins with.
pub(super) fn at_start(text: &str) -> Option<&'static Identifier> {
    IDENTIFIERS.iter().find(|identifier| {
        let decimal = || text.as_bytes().get(identifier.code.len()).is_some_and(u8::is_ascii_digit);
        text.starts_with(identifier.code) && (!identifier.form.has_decimals() || decimal())
    })
}

const fn plain(code: &'static str, meaning: &'static str, form: Form) -> Identifier {
    Identifier { code, meaning, form, unit: None }
}

const fn measure(code: &'static str, meaning: &'static str, unit: &'static str) -> Identifier {
    Identifier { code, meaning, form: Form::Measure, unit: Some(unit) }
}

/// No code is the beginning of another one.
pub(super) const IDENTIFIERS: &[Identifier] = &[
    plain("00", "sscc", Form::Checked(18)),
    plain("01", "gtin", Form::Checked(14)),
    plain("02", "content_gtin", Form::Checked(14)),
    plain("10", "lot", Form::TextTo(20)),
    plain("11", "production_date", Form::Day),
    plain("12", "due_date", Form::Day),
    plain("13", "packaging_date", Form::Day),
    plain("15", "best_before_date", Form::Day),
    plain("16", "sell_by_date", Form::Day),
    plain("17", "expiry_date", Form::Day),
    plain("20", "variant", Form::Digits(2)),
    plain("21", "serial", Form::TextTo(20)),
    plain("22", "consumer_variant", Form::TextTo(20)),
    plain("240", "additional_item_id", Form::TextTo(30)),
    plain("241", "customer_part_number", Form::TextTo(30)),
    plain("242", "made_to_order_variation", Form::DigitsTo(6)),
    plain("250", "secondary_serial", Form::TextTo(30)),
    plain("251", "source_reference", Form::TextTo(30)),
    plain("254", "location_extension", Form::TextTo(20)),
    plain("30", "count", Form::DigitsTo(8)),
    measure("310", "net_weight", "kg"),
    measure("311", "length", "m"),
    measure("312", "width", "m"),
    measure("313", "height", "m"),
    measure("314", "area", "m2"),
    measure("315", "net_volume", "l"),
    measure("316", "net_volume", "m3"),
    measure("320", "net_weight", "lb"),
    measure("330", "gross_weight", "kg"),
    measure("331", "gross_length", "m"),
    measure("332", "gross_width", "m"),
    measure("333", "gross_height", "m"),
    measure("334", "gross_area", "m2"),
    measure("335", "gross_volume", "l"),
    measure("336", "gross_volume", "m3"),
    measure("340", "gross_weight", "lb"),
    measure("356", "net_weight", "troy_oz"),
    measure("357", "net_weight", "oz"),
    plain("37", "content_count", Form::DigitsTo(8)),
    plain("390", "amount", Form::Amount),
    plain("391", "amount", Form::AmountIn),
    plain("392", "price", Form::Amount),
    plain("393", "price", Form::AmountIn),
    plain("400", "order_number", Form::TextTo(30)),
    plain("401", "consignment", Form::TextTo(30)),
    plain("402", "shipment", Form::Checked(17)),
    plain("403", "routing_code", Form::TextTo(30)),
    plain("410", "ship_to", Form::Checked(13)),
    plain("411", "bill_to", Form::Checked(13)),
    plain("412", "purchased_from", Form::Checked(13)),
    plain("413", "ship_for", Form::Checked(13)),
    plain("414", "location", Form::Checked(13)),
    plain("415", "invoicing_party", Form::Checked(13)),
    plain("416", "production_location", Form::Checked(13)),
    plain("417", "party", Form::Checked(13)),
    plain("420", "ship_to_postal_code", Form::TextTo(20)),
    plain("422", "country_of_origin", Form::Digits(3)),
    plain("7001", "nato_stock_number", Form::Digits(13)),
    plain("7003", "expiry_time", Form::Digits(10)),
    plain("8005", "unit_price", Form::Digits(6)),
    plain("8020", "payment_reference", Form::TextTo(25)),
    plain("90", "agreed", Form::TextTo(30)),
    plain("91", "company_internal", Form::TextTo(90)),
    plain("92", "company_internal", Form::TextTo(90)),
    plain("93", "company_internal", Form::TextTo(90)),
    plain("94", "company_internal", Form::TextTo(90)),
    plain("95", "company_internal", Form::TextTo(90)),
    plain("96", "company_internal", Form::TextTo(90)),
    plain("97", "company_internal", Form::TextTo(90)),
    plain("98", "company_internal", Form::TextTo(90)),
    plain("99", "company_internal", Form::TextTo(90)),
];
