package agent

import (
	"slices"

	"thalassa/lb"
)

// Keys has certificates with their private keys under their digests.
type Keys interface {
	Has(digest string) bool
	// Stored are those of digests that Has reports; it costs less than to ask for each.
	Stored(digests []string) map[string]bool
	// Text is a certificate with its key; fs.ErrNotExist: there is none.
	Text(digest string) ([]byte, error)
}

// Issued has what has been issued last for certificates that are ordered, or a stand-in. It
// is asked often, and must not wait.
type Issued interface {
	Files(a lb.ACME) []lb.PEMFile
}

// withIssued is an intent with what has been issued for it.
func (c *Config) withIssued(in lb.Intent) lb.Intent {
	if c.Issued == nil {
		return in
	}
	return in.WithIssued(c.Issued.Files)
}

// certificateWarnings are about certificates that expire soon, and those whose keys are
// not stored, as after an import.
func (c *Config) certificateWarnings(in lb.Intent) []string {
	var out, digests []string
	all := in.SortedCertificates()
	for _, cert := range all {
		digests = append(digests, cert.Digests()...)
	}
	var stored map[string]bool
	if c.Keys != nil {
		stored = c.Keys.Stored(digests)
	}
	for _, cert := range all {
		if warning := cert.ExpiryWarning(c.Now()); warning != "" {
			out = append(out, warning)
		}
		if warning := cert.CRLWarning(c.Now()); warning != "" {
			out = append(out, warning)
		}
		if slices.ContainsFunc(cert.Digests(), func(digest string) bool { return !stored[digest] }) {
			out = append(out, cert.ID()+" is not stored with its key: put it again")
		}
	}
	return out
}

// lacksKey is the first digest of a certificate that neither Keys nor a trial has; empty:
// there are all.
func (c *Config) lacksKey(cert lb.Certificate, trial map[string][]byte) string {
	for _, digest := range cert.Digests() {
		if trial[digest] == nil && (c.Keys == nil || !c.Keys.Has(digest)) {
			return digest
		}
	}
	return ""
}

// checkKeys refuses an intent with a new certificate whose key is neither stored nor among
// those on trial, as one of a former revision may be. The error is an *lb.ConflictError.
func (i *inputs) checkKeys(before, next lb.Intent, trial map[string][]byte) error {
	for _, c := range next.SortedCertificates() {
		if former, isThere := before.Certificates[c.Key]; isThere && slices.Equal(former.Digests(), c.Digests()) {
			continue
		}
		if digest := i.cfg.lacksKey(c, trial); digest != "" {
			return &lb.ConflictError{ID: c.ID(), Reason: "is not stored with its key (SHA-256 " + digest + "): put it again"}
		}
	}
	return nil
}
