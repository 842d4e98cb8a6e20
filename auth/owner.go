package auth

// AllowsNow reports whether any token, user or certificate of that name, or a user of a provider
// who has logged in, allows what a role does to an object, after a look at the files. Work that
// continues without its caller, such as a deploy in steps, uses it to check the caller's rights
// again. A token that replaced another one of the same name counts.
func (a *Authority) AllowsNow(name string, need Role, object string) bool {
	if a == nil {
		return false
	}
	files := a.files.Load()
	for _, e := range files.tokens.current(0) {
		if e.who.Name == name && e.who.Allows(need, object) {
			return true
		}
	}
	return files.access.allows(name, need, object) || a.visitors.allows(files.access, name, need, object)
}

// allows is AllowsNow for an access file.
func (a *Access) allows(name string, need Role, object string) bool {
	if a == nil {
		return false
	}
	list, now := a.file.current(0), a.now()
	for _, u := range list.Users {
		if u.Name == name && u.Password != "" && u.who.Allows(need, object) {
			return true
		}
	}
	for _, t := range list.Tokens {
		if t.Name == name && t.isValid(now) && t.who.Allows(need, object) {
			return true
		}
	}
	for _, c := range list.Certificates {
		if c.Name == name && c.who.Allows(need, object) {
			return true
		}
	}
	return false
}
