package lb

import (
	"maps"
	"slices"
	"strconv"
)

// An Intent is what operators asked for: every frontend, backend, certificate and raw section, as
// of a revision. It is immutable; Apply returns the next one.
type Intent struct {
	// Revision counts accepted changes; 0 is the empty intent of a new store.
	Revision  uint64
	Frontends map[Name]Frontend
	Backends  map[Name]Backend
	// Sections are the other sections of haproxy.cfg, by Section.Key.
	Sections map[string]Section
	// Certificates are without keys.
	Certificates map[Name]Certificate
}

// SortedFrontends lists the frontends by key.
func (in Intent) SortedFrontends() []Frontend {
	return sorted(in.Frontends)
}

// SortedBackends lists the backends by key.
func (in Intent) SortedBackends() []Backend {
	return sorted(in.Backends)
}

// SortedCertificates lists the certificates by key.
func (in Intent) SortedCertificates() []Certificate {
	return sorted(in.Certificates)
}

// WithIssued is the intent with the files that have been issued for its ordered certificates; in
// does not change.
func (in Intent) WithIssued(files func(ACME) []PEMFile) Intent {
	copied := false
	for key, c := range in.Certificates {
		if c.ACME == nil {
			continue
		}
		if !copied {
			in.Certificates, copied = cloned(in.Certificates), true
		}
		in.Certificates[key] = c.Issued(files(*c.ACME))
	}
	return in
}

// sorted lists the values of a map by its keys, which take less to sort.
func sorted[T any](m map[Name]T) []T {
	out := make([]T, 0, len(m))
	for _, key := range sortedKeys(m) {
		out = append(out, m[key])
	}
	return out
}

func sortedKeys[T any](m map[Name]T) []Name {
	keys := slices.AppendSeq(make([]Name, 0, len(m)), maps.Keys(m))
	slices.Sort(keys)
	return keys
}

// Services lists the Consul services that the dynamic backends need, sorted.
func (in Intent) Services() []Name {
	set := map[Name]bool{}
	for _, b := range in.Backends {
		if b.Type == "dynamic" {
			set[b.Service] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// RoutedBy lists the ids of the frontends, and of the raw sections, that can send requests
// to a backend.
func (in Intent) RoutedBy(backend Name) []string {
	var ids []string
	for _, f := range in.SortedFrontends() {
		if f.routesTo(backend) {
			ids = append(ids, f.ID())
		}
	}
	for _, s := range in.SortedSections() {
		if s.routesTo(backend) {
			ids = append(ids, s.ID())
		}
	}
	return ids
}

// Validate checks the relations between objects: that every backend a frontend names exists and
// fits its mode, that certificates and sections of defaults exist, and that no address is bound
// twice. The error is an *InvalidError for the first offending object, or a *ConflictError for an
// address.
func (in Intent) Validate() error {
	owner := map[Bind]Frontend{}
	for _, f := range in.SortedFrontends() {
		if err := checkTargets(in, f); err != nil {
			return err
		}
		for _, b := range f.TypedBinds() {
			if other, taken := owner[b.plain()]; taken && other.Key != f.Key {
				return &ConflictError{ID: f.ID(), Reason: b.String() + " is bound by " + other.ID() + " already", By: []string{other.ID()}}
			}
			owner[b.plain()] = f
		}
	}
	for _, b := range in.SortedBackends() {
		if err := checkBackend(in, b); err != nil {
			return err
		}
	}
	return checkAllDefaults(in)
}

// checkTargets checks that every backend that the fields of a frontend name exists and
// fits its mode, and that the certificates exist. The error is an *InvalidError.
func checkTargets(in Intent, f Frontend) error {
	var fe FieldErrors
	checkDefaults(in, &fe, f.ID(), f.Defaults)
	for i, r := range f.Rules {
		checkTarget(in, &fe, "rules["+strconv.Itoa(i)+"].backend", f, r.Backend)
	}
	if f.Backend != "" {
		checkTarget(in, &fe, "backend", f, f.Backend)
	}
	for i, p := range f.Pools {
		checkTarget(in, &fe, "pools["+strconv.Itoa(i)+"]", f, p)
	}
	checkCertificates(in, &fe, f)
	return fe.Err()
}

func checkTarget(in Intent, fe *FieldErrors, path string, f Frontend, key Name) {
	b, ok := in.Backends[key]
	if !ok {
		fe.Add(path, strconv.Quote(string(key))+" is not a backend ("+f.ID()+" would route to nothing)", "the key of a backend that exists")
		return
	}
	if f.Mode == "http" && b.Mode == "tcp" {
		fe.Add(path, b.ID()+" is in mode tcp and "+f.ID()+" in mode http", "a backend in mode http")
	}
	if f.Mode == "tcp" && b.Mode == "http" {
		fe.Add(path, b.ID()+" is in mode http and "+f.ID()+" in mode tcp", "a backend in mode tcp")
	}
}
