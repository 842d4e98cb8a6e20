// Package ocsp asks certificate authorities whether the certificates that clients get are
// revoked, and has HAProxy staple the answers (OCSP, RFC 6960; stapling, RFC 6066). It owns
// the responses and the schedule by which they are renewed. A response is used only if it is
// signed by the issuer of the certificate, or in its name, and is fresh. It sends requests to
// nobody unless that is switched on: whoever stores a certificate chooses who is asked.
package ocsp
