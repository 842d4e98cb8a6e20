package auth

import "slices"

// Entries lists everybody who has rights now, in the order of the files: users, tokens,
// certificates and groups, without secrets. It includes expired tokens.
func (a *Authority) Entries() []Entry {
	if a == nil {
		return nil
	}
	files := a.files.Load()
	var out []Entry
	if files.access != nil {
		out = slices.Clone(files.access.file.current(checkEvery).entries())
	}
	for _, t := range files.tokens.current(checkEvery) {
		e := t.who.entry(ByToken)
		e.File = "tokens"
		out = append(out, e)
	}
	return out
}

// entries are those of an access file.
func (l *accessList) entries() []Entry {
	out := make([]Entry, 0, len(l.Users)+len(l.Tokens)+len(l.Certificates))
	for _, u := range l.Users {
		e := u.who.entry(ByPassword)
		e.NoPassword = u.Password == ""
		out = append(out, e)
	}
	for _, t := range l.Tokens {
		e := t.who.entry(ByToken)
		e.Expires = t.ends
		out = append(out, e)
	}
	for _, c := range l.Certificates {
		e := c.who.entry(ByCertificate)
		e.Subject = c.subject()
		out = append(out, e)
	}
	if l.OIDC != nil {
		out = append(out, groupEntries(l.OIDC.grants, ByOpenID, l.OIDC.Issuer)...)
	}
	if l.PAM != nil {
		out = append(out, groupEntries(l.PAM.grants, ByAccount, l.PAM.Service)...)
	}
	return out
}

// groupEntries are those of groups; subject says who knows their members.
func groupEntries(grants []groupGrant, kind ProofKind, subject string) []Entry {
	out := make([]Entry, 0, len(grants))
	for _, g := range grants {
		e := Identity{Name: g.group, Grant: g.grant}.entry(kind)
		e.Subject = subject
		out = append(out, e)
	}
	return out
}

// entry is what an Entry has of an identity.
func (i Identity) entry(kind ProofKind) Entry {
	return Entry{Kind: kind, File: "access", Name: i.Name, Role: i.Role.String(), On: i.Patterns(), Hides: i.HidesRest()}
}

// subject is what the certificate is known by.
func (c accessCertificate) subject() string {
	switch {
	case c.DNS != "":
		return "dns:" + c.DNS
	case c.Email != "":
		return "email:" + c.Email
	case c.URI != "":
		return "uri:" + c.URI
	}
	return "commonName:" + c.CommonName
}
