//! Regions, the partitions that they are in, and the servers of both.

use reqwest::Url;

use crate::cloud::{Fault, FaultKind};

/// The longest name of a region.
const LONGEST: usize = 32;

/// A part of AWS with accounts, identifiers and servers of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// How names of its regions begin.
    prefix: &'static str,
    /// Its name in ARNs.
    pub(super) name: &'static str,
    /// The domain of regional servers.
    domain: &'static str,
    /// The server of Route 53.
    route53: &'static str,
    /// The region that signatures for Route 53 name.
    global: &'static str,
}

/// As botocore's endpoint rules have them. The last one has every other region.
const PARTITIONS: [Partition; 6] = [
    Partition {
        prefix: "cn-",
        name: "aws-cn",
        domain: "amazonaws.com.cn",
        route53: "route53.amazonaws.com.cn",
        global: "cn-northwest-1",
    },
    Partition {
        prefix: "us-gov-",
        name: "aws-us-gov",
        domain: "amazonaws.com",
        route53: "route53.us-gov.amazonaws.com",
        global: "us-gov-west-1",
    },
    Partition {
        prefix: "eusc-",
        name: "aws-eusc",
        domain: "amazonaws.eu",
        route53: "route53.eusc-de-east-1.amazonaws.eu",
        global: "eusc-de-east-1",
    },
    Partition {
        prefix: "us-iso-",
        name: "aws-iso",
        domain: "c2s.ic.gov",
        route53: "route53.c2s.ic.gov",
        global: "us-iso-east-1",
    },
    Partition {
        prefix: "us-isob-",
        name: "aws-iso-b",
        domain: "sc2s.sgov.gov",
        route53: "route53.sc2s.sgov.gov",
        global: "us-isob-east-1",
    },
    STANDARD,
];

const STANDARD: Partition = Partition {
    prefix: "",
    name: "aws",
    domain: "amazonaws.com",
    route53: "route53.amazonaws.com",
    global: "us-east-1",
};

/// A region. Its name can be part of a host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region(String);

impl Region {
    /// The region of this name, which is in this field.
    ///
    /// # Errors
    /// If it is not a name of a region. It must not lead credentials to a server that is not one of AWS.
    pub(super) fn parse(name: &str, field: &str) -> Result<Self, Fault> {
        let usable = name.len() <= LONGEST
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if usable {
            return Ok(Self(name.to_owned()));
        }
        let sentence = format!(
            "{:?} is not the name of an AWS region: correct {field}, for example to eu-central-1",
            crate::text::excerpt(name)
        );
        Err(Fault::new(FaultKind::Other, sentence))
    }

    /// A region of the partition that an ARN names, `us-east-1` without an ARN.
    pub(super) fn of_arn(arn: Option<&str>) -> Self {
        let name = arn.and_then(|arn| arn.split(':').nth(1));
        let found = PARTITIONS.iter().find(|partition| Some(partition.name) == name);
        Self(found.unwrap_or(&STANDARD).global.to_owned())
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Its partition.
    pub(super) fn partition(&self) -> &'static Partition {
        let found = PARTITIONS.iter().find(|partition| self.0.starts_with(partition.prefix));
        found.unwrap_or(&STANDARD)
    }

    /// The server of a service, and the region that signatures name. `everywhere` replaces all servers.
    ///
    /// # Errors
    /// If `everywhere` is not a URL.
    pub(super) fn endpoint(&self, service: &str, everywhere: Option<&str>) -> Result<(Url, &str), Fault> {
        let partition = self.partition();
        let (text, signed) = if service == "route53" {
            (format!("https://{}/", partition.route53), partition.global)
        } else {
            (
                format!("https://{service}.{}.{}/", self.0, partition.domain),
                self.name(),
            )
        };
        let url = Url::parse(everywhere.unwrap_or(&text)).ok().filter(Url::has_host);
        let url = url.ok_or_else(|| Fault::new(FaultKind::Other, "AWS_ENDPOINT_URL is not a URL with a host"))?;
        Ok((url, signed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What botocore 1.44.8 resolves: the region, the server and signing region of Route 53, and the server of STS.
    #[test]
    fn servers_and_signing_regions_are_those_of_botocore() {
        for (region, route53, signed, sts) in [
            (
                "us-east-1",
                "route53.amazonaws.com",
                "us-east-1",
                "sts.us-east-1.amazonaws.com",
            ),
            (
                "eu-central-1",
                "route53.amazonaws.com",
                "us-east-1",
                "sts.eu-central-1.amazonaws.com",
            ),
            (
                "cn-north-1",
                "route53.amazonaws.com.cn",
                "cn-northwest-1",
                "sts.cn-north-1.amazonaws.com.cn",
            ),
            (
                "us-gov-east-1",
                "route53.us-gov.amazonaws.com",
                "us-gov-west-1",
                "sts.us-gov-east-1.amazonaws.com",
            ),
            (
                "eusc-de-east-1",
                "route53.eusc-de-east-1.amazonaws.eu",
                "eusc-de-east-1",
                "sts.eusc-de-east-1.amazonaws.eu",
            ),
            (
                "us-iso-east-1",
                "route53.c2s.ic.gov",
                "us-iso-east-1",
                "sts.us-iso-east-1.c2s.ic.gov",
            ),
            (
                "us-isob-east-1",
                "route53.sc2s.sgov.gov",
                "us-isob-east-1",
                "sts.us-isob-east-1.sc2s.sgov.gov",
            ),
        ] {
            let parsed = Region::parse(region, "route53.region").unwrap();
            let (url, by) = parsed.endpoint("route53", None).unwrap();
            assert_eq!((url.host_str(), by), (Some(route53), signed));
            let (url, by) = parsed.endpoint("sts", None).unwrap();
            assert_eq!((url.host_str(), by), (Some(sts), region));
        }
    }

    #[test]
    fn a_region_that_leads_elsewhere_is_refused() {
        for name in [
            "",
            "evil.example/",
            "eu-central-1.evil.example",
            "eu-central-1#",
            "EU",
            "-a",
            "a@b",
        ] {
            let fault = Region::parse(name, "route53.region").unwrap_err();
            assert!(fault.sentence.contains("route53.region"), "{fault:?}");
        }
    }

    #[test]
    fn a_role_tells_the_partition() {
        for (arn, region) in [
            (Some("arn:aws-cn:iam::123456789012:role/dns"), "cn-northwest-1"),
            (Some("arn:aws-us-gov:iam::123456789012:role/dns"), "us-gov-west-1"),
            (Some("arn:aws:iam::123456789012:role/dns"), "us-east-1"),
            (Some("dns"), "us-east-1"),
            (None, "us-east-1"),
        ] {
            assert_eq!(Region::of_arn(arn).name(), region, "{arn:?}");
        }
    }
}
