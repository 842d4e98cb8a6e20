package lb

import (
	"slices"
	"strconv"
)

// A CertificateUse is a field of an object that names a stored certificate.
type CertificateUse struct {
	Path      string // e.g. "tls.certificates[0]"
	Name      Name
	Authority bool // it must be one of authorities; otherwise one with keys
}

// A certificateUser is an object that may name certificates.
type certificateUser interface {
	Object
	certificateUses() []CertificateUse
}

// certificateUsers lists the objects that may name certificates, sorted.
func certificateUsers(in Intent) []certificateUser {
	out := make([]certificateUser, 0, len(in.Frontends)+len(in.Backends))
	for _, b := range in.SortedBackends() {
		out = append(out, b)
	}
	for _, f := range in.SortedFrontends() {
		out = append(out, f)
	}
	return out
}

// CertificateUsers lists the ids of the objects that name a certificate, sorted.
func (in Intent) CertificateUsers(name Name) []string {
	var ids []string
	for _, o := range certificateUsers(in) {
		if slices.ContainsFunc(o.certificateUses(), func(use CertificateUse) bool { return use.Name == name }) {
			ids = append(ids, o.ID())
		}
	}
	return ids
}

// AllCertificateUsers is CertificateUsers for all names.
func AllCertificateUsers(in Intent) map[Name][]string {
	ids := map[Name][]string{}
	for _, o := range certificateUsers(in) {
		for _, use := range o.certificateUses() {
			if last := len(ids[use.Name]) - 1; last < 0 || ids[use.Name][last] != o.ID() {
				ids[use.Name] = append(ids[use.Name], o.ID())
			}
		}
	}
	return ids
}

// CertificateUses are the fields of an object that name certificates.
func CertificateUses(o Object) []CertificateUse {
	if user, ok := o.(certificateUser); ok {
		return user.certificateUses()
	}
	return nil
}

// checkCertificates checks that the certificates that an object names exist, and are of the
// right kind.
func checkCertificates(in Intent, fe *FieldErrors, o certificateUser) {
	for _, use := range o.certificateUses() {
		c, ok := in.Certificates[use.Name]
		switch {
		case !ok && use.Authority:
			fe.Add(use.Path, strconv.Quote(string(use.Name))+" is not a stored authority", "the name of a stored authority")
		case !ok:
			fe.Add(use.Path, strconv.Quote(string(use.Name))+" is not a stored certificate", "the name of a stored certificate with a key")
		case c.Authority && !use.Authority:
			fe.Add(use.Path, c.ID()+" is one of authorities and has no key", "the name of a stored certificate with a key")
		case !c.Authority && use.Authority:
			fe.Add(use.Path, c.ID()+" is not one of authorities", "the name of a stored authority")
		}
	}
}
