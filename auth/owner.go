package auth

// AllowsNow reports whether any token of that name allows what a role does, after a look at
// the file. Work that goes on without its caller, such as a deploy in steps, asks again
// with it: a token that replaced another one under the same name counts.
func (t *Tokens) AllowsNow(name string, need Role) bool {
	if t == nil {
		return false
	}
	for _, e := range t.current(0) {
		if e.who.Name == name && e.who.Allows(need) {
			return true
		}
	}
	return false
}
