//! Providers with an API of their own, at servers that we wrote. lego has to get a certificate through such a server before certlet, and what
//! certlet sends has to be within what lego sent: a mistake of ours about an API would have to be one of lego's, too.
//!
//! | module | what it is |
//! |---|---|
//! | [`server`] | HTTPS under the real host names of an API; notes every request |
//! | [`asked`] | a request, and what two clients sent differently |
//! | [`records`] | the TXT records of a zone, which BIND serves |
//! | [`judge`] | lego, then certlet, then the comparison |
//! | the rest | one provider each: its server, and its tests |

mod acmedns;
mod akamai;
mod asked;
mod azure;
mod cloudflare;
mod digitalocean;
mod google;
mod httpreq;
mod judge;
mod records;
mod server;
