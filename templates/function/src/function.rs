//! The function with its input and output.

use serde::{Deserialize, Serialize};

/// The input: `{"values": [3, 1, 2]}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub values: Vec<f64>,
}

/// The output.
#[derive(Debug, PartialEq, Serialize)]
pub struct Response {
    pub count: usize,
    pub mean: f64,
    pub min: f64,
    pub max: f64,
}

/// Describes the values of a request, which needs at least one.
pub fn describe(request: &Request) -> Result<Response, String> {
    let values = &request.values;
    if values.is_empty() {
        return Err("there are no values".to_owned());
    }
    let count = values.len();
    Ok(Response {
        count,
        mean: values.iter().sum::<f64>() / count as f64,
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_described() {
        let request = Request {
            values: vec![2.0, -1.0, 5.0],
        };
        let response = Response {
            count: 3,
            mean: 2.0,
            min: -1.0,
            max: 5.0,
        };
        assert_eq!(describe(&request), Ok(response));
    }

    #[test]
    fn without_values_there_is_nothing_to_describe() {
        assert!(describe(&Request { values: vec![] }).is_err());
    }
}
