//! `GET /api/v1/barcode/lookup`
//!
//! A product's own barcode costs one call of the system. Only if no product has it are packagings and lots asked, each
//! with one call, and then the product that they belong to.

use super::answer::{
    BarcodeAnswer, BarcodeLot, BarcodePackaging, BarcodeProduct, Matched, ReadBarcode, id, linked, number, text,
};
use super::places::{LOT_FIELDS, ON_HAND, PRODUCT, PRODUCT_FIELDS, Packagings, UNIT, lots};
use super::refused::refused;
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::records::{Acting, Options, Query, Record, acting};
use bridge_model::barcode::{Barcode, BarcodeError, read};
use bridge_model::domain::{Domain, Operator};
use bridge_model::{ModelName, Operation, RecordId, SystemId};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

/// The query of the request.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BarcodeQuery {
    /// What the scanner read: EAN-8, EAN-13, UPC-A or GTIN-14, a GS1 element string as scanners send it or with its
    /// identifiers in parentheses, or a code of one's own.
    #[param(min_length = 1, max_length = 256, example = "6281000000120")]
    pub barcode: String,
    /// The system; the primary one if left out.
    pub system_id: Option<SystemId>,
}

/// The most records that one code is expected to find.
const ROWS_MAX: u32 = 20;

/// Finds what a barcode stands for, with the rights that the caller has for records.
pub async fn lookup(cx: &Context, caller: &Caller, query: &BarcodeQuery) -> Result<BarcodeAnswer, Problem> {
    let (barcode, doubt) = match read(&query.barcode, cx.clock.now().year()) {
        Ok(barcode) => (barcode, None),
        // Systems take such a number for a barcode as well. It is wrong unless a record has it.
        Err(BarcodeError::CheckDigit { identifier: None, digits, expected }) => {
            let doubt = BarcodeError::CheckDigit { identifier: None, digits: digits.clone(), expected };
            (Barcode::Own(digits), Some(doubt))
        }
        Err(error) => return Err(refused(error)),
    };
    let system = cx.erps.system_of(&cx.store, caller.tenant, query.system_id.as_ref()).await?;
    let acting = acting(cx, caller, &system.system_id).await?;
    let mut search =
        Search { acting, codes: Codes::of(&query.barcode, &barcode), not_searched: Vec::new(), stock_is_closed: false };
    if let Some(found) = search.find().await? {
        let Found { matched, product, packaging, lot, other_product_ids } = found;
        let (barcode, not_searched) = (ReadBarcode::of(&query.barcode, &barcode), search.not_searched);
        return Ok(BarcodeAnswer {
            success: true,
            matched,
            product,
            packaging,
            lot,
            barcode,
            other_product_ids,
            not_searched,
        });
    }
    Err(match doubt {
        Some(error) => refused(error),
        None => Problem::new(ProblemKind::RecordNotFound, Message::barcode_unknown())
            .with("barcode", query.barcode.trim())
            .with("system_id", system.system_id.as_str())
            .with("not_searched", search.not_searched),
    })
}

/// What is looked for.
struct Codes {
    /// What products and packagings may have as their barcode, the likeliest first.
    barcodes: Vec<String>,
    /// What may be a product's internal reference.
    reference: Option<String>,
    /// What may be a lot's name.
    lot: Option<String>,
    /// Whether the lot is one of the product that the barcode names.
    lot_is_of_product: bool,
}

impl Codes {
    fn of(given: &str, barcode: &Barcode) -> Self {
        match barcode {
            Barcode::Gtin(gtin) => {
                let barcodes: Vec<String> = gtin.ways_to_write().into_iter().map(str::to_owned).collect();
                // The digits could be a serial number too.
                Self { lot: barcodes.first().cloned(), barcodes, reference: None, lot_is_of_product: false }
            }
            Barcode::Elements(elements) => {
                let gtin = elements.gtin();
                let mut barcodes: Vec<String> =
                    gtin.iter().flat_map(|gtin| gtin.ways_to_write()).map(str::to_owned).collect();
                barcodes.push(given.trim().to_owned());
                let lot = elements.lot().map(str::to_owned);
                Self { barcodes, reference: None, lot, lot_is_of_product: gtin.is_some() }
            }
            Barcode::Own(code) => {
                let own = || Some(code.clone());
                Self { barcodes: vec![code.clone()], reference: own(), lot: own(), lot_is_of_product: false }
            }
        }
    }

    /// How likely a product is the one that is meant: the lower the number, the likelier.
    fn rank(&self, product: &Record) -> usize {
        let barcode = text(product, "barcode");
        self.barcodes.iter().position(|code| Some(code) == barcode.as_ref()).unwrap_or(self.barcodes.len())
    }
}

struct Found {
    matched: Matched,
    product: BarcodeProduct,
    packaging: Option<BarcodePackaging>,
    lot: Option<BarcodeLot>,
    other_product_ids: Vec<i64>,
}

struct Search {
    acting: Acting,
    codes: Codes,
    not_searched: Vec<String>,
    /// Whether the system has refused to tell what is on hand.
    stock_is_closed: bool,
}

impl Search {
    async fn find(&mut self) -> Result<Option<Found>, Problem> {
        let mut products = self.products(self.by_code()).await?;
        products.sort_by_key(|product| (self.codes.rank(product), id(product)));
        if let Some((product, others)) = split_first(&products) {
            let is_own = self.codes.rank(&products[0]) < self.codes.barcodes.len();
            let lot = self.lot_of_product(product.id).await?;
            return Ok(Some(Found {
                matched: if is_own { Matched::Product } else { Matched::Reference },
                product,
                packaging: None,
                lot,
                other_product_ids: others,
            }));
        }
        let packagings = self.packagings().await?;
        if let Some((kept, found)) = packagings
            && let Some(found) = self.of_packaging(kept, &found).await?
        {
            return Ok(Some(found));
        }
        if self.codes.lot_is_of_product {
            return Ok(None);
        }
        let found = self.lots(None).await?;
        self.of_lots(&found).await
    }

    /// What a packaging's barcode stands for.
    async fn of_packaging(&mut self, kept: Packagings, found: &[Record]) -> Result<Option<Found>, Problem> {
        let Some(packaging) = found.iter().min_by_key(|row| self.codes.rank(row)) else { return Ok(None) };
        let Some(product_id) = linked(packaging, "product_id").0 else { return Ok(None) };
        let mut products = self.products(of_ids(&[product_id])).await?;
        let (Some(packaging_id), Some(row)) = (id(packaging), products.pop()) else { return Ok(None) };
        let product = BarcodeProduct::of(product_id, &row);
        let (name, quantity) = match kept {
            Packagings::OfTheirOwn => (text(packaging, "name"), number(packaging, "qty")),
            Packagings::AsUnits => {
                let (unit, name) = linked(packaging, "uom_id");
                (name, self.units_in(unit, linked(&row, "uom_id").0).await?)
            }
        };
        let lot = self.lot_of_product(product_id).await?;
        let barcode = text(packaging, "barcode");
        Ok(Some(Found {
            matched: Matched::Packaging,
            product,
            packaging: Some(BarcodePackaging { id: packaging_id, name, barcode, quantity }),
            lot,
            other_product_ids: Vec::new(),
        }))
    }

    /// The lot that the barcode names beside the product.
    async fn lot_of_product(&mut self, product_id: i64) -> Result<Option<BarcodeLot>, Problem> {
        if !self.codes.lot_is_of_product {
            return Ok(None);
        }
        Ok(self.lots(Some(product_id)).await?.first().and_then(lot_of))
    }

    /// What the name of a lot stands for.
    async fn of_lots(&mut self, lots: &[Record]) -> Result<Option<Found>, Problem> {
        let mut product_ids: Vec<i64> = lots.iter().filter_map(|lot| linked(lot, "product_id").0).collect();
        product_ids.sort_unstable();
        product_ids.dedup();
        if product_ids.is_empty() {
            return Ok(None);
        }
        let mut products = self.products(of_ids(&product_ids)).await?;
        products.sort_by_key(id);
        let Some((product, others)) = split_first(&products) else { return Ok(None) };
        let lot = lots.iter().find(|lot| linked(lot, "product_id").0 == Some(product.id)).and_then(lot_of);
        Ok(Some(Found { matched: Matched::Lot, product, packaging: None, lot, other_product_ids: others }))
    }

    /// The products that a domain finds. They are what a lookup is about: where they are not open to the caller, it is
    /// refused.
    async fn products(&mut self, domain: Domain) -> Result<Vec<Record>, Problem> {
        let model = ModelName::parse(PRODUCT)?;
        if !self.stock_is_closed {
            let with_stock = [&PRODUCT_FIELDS[..], &[ON_HAND]].concat();
            match self.rows(model.clone(), domain.clone(), &with_stock).await {
                // It is worked out from moves of stock, which not everybody may read who may read products.
                Err(problem) if problem.kind == ProblemKind::ErpAccessDenied => self.stock_is_closed = true,
                rows => return rows,
            }
        }
        self.rows(model, domain, &PRODUCT_FIELDS).await
    }

    fn by_code(&self) -> Domain {
        let codes: Vec<Value> = self.codes.barcodes.iter().map(|code| Value::from(code.as_str())).collect();
        let reference = self.codes.reference.as_deref();
        let by_reference = reference.map(|code| Domain::condition("default_code", Operator::Equal, code));
        Domain::any_of([Domain::condition("barcode", Operator::In, codes)].into_iter().chain(by_reference))
    }

    /// The packagings with one of the barcodes, and how they are kept; `None` if there are none to look at.
    async fn packagings(&mut self) -> Result<Option<(Packagings, Vec<Record>)>, Problem> {
        let products = self.acting.fields(&ModelName::parse(PRODUCT)?).await?;
        let Some(kept) = Packagings::of(&products) else { return Ok(None) };
        let codes: Vec<Value> = self.codes.barcodes.iter().map(|code| Value::from(code.as_str())).collect();
        let domain = Domain::condition("barcode", Operator::In, codes);
        let rows = self.rows_if_open(kept.model(), domain, kept.fields()).await?;
        Ok(Some((kept, rows)))
    }

    /// The lots of the name that is looked for, of one product or of any.
    async fn lots(&mut self, product_id: Option<i64>) -> Result<Vec<Record>, Problem> {
        let Some(name) = self.codes.lot.clone() else { return Ok(Vec::new()) };
        let version = self.acting.version(&ModelName::parse(PRODUCT)?).await?;
        let of_product = product_id.map(|id| Domain::condition("product_id", Operator::Equal, id));
        let domain = Domain::condition("name", Operator::Equal, name);
        self.rows_if_open(lots(version), Domain::all_of(of_product.into_iter().chain([domain])), &LOT_FIELDS).await
    }

    /// How many of one unit another one holds.
    async fn units_in(&mut self, unit: Option<i64>, of: Option<i64>) -> Result<Option<f64>, Problem> {
        let (Some(unit), Some(of)) = (unit, of) else { return Ok(None) };
        // A unit that is archived, as the dozen is in a new Odoo, measures packagings all the same.
        let ids = [RecordId::Number(unit), RecordId::Number(of)];
        let model = ModelName::parse(UNIT)?;
        let rows = self.acting.read_ids(&model, &ids, Some(vec!["factor".to_owned()]), &Options::default()).await;
        let rows = self.if_open(UNIT, rows)?;
        let factor =
            |wanted: i64| rows.iter().find(|row| id(row) == Some(wanted)).and_then(|row| number(row, "factor"));
        Ok(factor(unit).zip(factor(of)).filter(|(_, of)| *of > 0.0).map(|(unit, of)| unit / of))
    }

    /// The records of a model that only adds to the answer: where it is not there, or not open to the caller, there are
    /// none.
    async fn rows_if_open(
        &mut self,
        model: &'static str,
        domain: Domain,
        fields: &[&str],
    ) -> Result<Vec<Record>, Problem> {
        let rows = self.rows(ModelName::parse(model)?, domain, fields).await;
        self.if_open(model, rows)
    }

    /// What was read of a model that may be missing or closed.
    fn if_open(&mut self, model: &str, rows: Result<Vec<Record>, Problem>) -> Result<Vec<Record>, Problem> {
        match rows {
            Err(problem) if problem.kind == ProblemKind::ModelNotFound => Ok(Vec::new()),
            Err(problem) if matches!(problem.kind, ProblemKind::Forbidden | ProblemKind::ErpAccessDenied) => {
                self.not_searched.push(model.to_owned());
                Ok(Vec::new())
            }
            rows => rows,
        }
    }

    /// Reads records with those of the fields that the system has and the caller may see.
    async fn rows(&self, model: ModelName, domain: Domain, fields: &[&str]) -> Result<Vec<Record>, Problem> {
        self.acting.check(&model, Operation::Read)?;
        let known = self.acting.fields(&model).await?;
        let fields = fields.iter().filter(|name| known.get(name).is_some()).map(|name| (*name).to_owned());
        let query =
            Query { domain, fields: Some(fields.collect()), order: "id asc".to_owned(), ..Query::of(&model, ROWS_MAX) };
        self.acting.read(&query, &Options::default()).await
    }
}

fn of_ids(ids: &[i64]) -> Domain {
    Domain::condition("id", Operator::In, ids.iter().copied().map(Value::from).collect::<Vec<_>>())
}

/// The first product, and the ids of the others.
fn split_first(products: &[Record]) -> Option<(BarcodeProduct, Vec<i64>)> {
    let (first, others) = products.split_first()?;
    Some((BarcodeProduct::of(id(first)?, first), others.iter().filter_map(id).collect()))
}

fn lot_of(row: &Record) -> Option<BarcodeLot> {
    Some(BarcodeLot { id: id(row)?, name: text(row, "name"), quantity: number(row, "product_qty") })
}
