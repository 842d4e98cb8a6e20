package settings

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"thalassa/consul"
)

// source is where settings were read, so that they can be read again.
type source struct {
	flags  *pflag.FlagSet // with the values; those of paths are complete
	given  []*pflag.Flag  // copies of the flags of the command line
	getenv func(string) string
}

// changedFlags copies the flags that the command line sets.
func changedFlags(f *pflag.FlagSet) []*pflag.Flag {
	copies := newFlagSet(&Agent{})
	var given []*pflag.Flag
	f.Visit(func(flag *pflag.Flag) {
		if c := copies.Lookup(flag.Name); c != nil { // not help, or the root command's
			copyValue(c, flag)
			given = append(given, c)
		}
	})
	return given
}

// copyValue sets a flag to the value of another of the same name.
func copyValue(to, from *pflag.Flag) {
	var err error
	if list, ok := from.Value.(pflag.SliceValue); ok {
		err = to.Value.(pflag.SliceValue).Replace(list.GetSlice()) //nolint:forcetypeassert // the same flag
	} else {
		err = to.Value.Set(from.Value.String())
	}
	if err != nil {
		panic(fmt.Sprintf("flag %s does not take its own value: %v", from.Name, err)) // a fault in Flags
	}
}

// Reread reads the settings again: the same command line with what file and environment
// say now. The error is that of [Agent.Load].
func (s *Agent) Reread() (*Agent, error) {
	next := &Agent{}
	f := newFlagSet(next)
	for _, flag := range s.given {
		copyValue(f.Lookup(flag.Name), flag)
		f.Lookup(flag.Name).Changed = true
	}
	next.runDirs = s.runDirs
	return next, next.Load(f, s.getenv)
}

// A Change is a setting with a new value.
type Change struct{ Name, Before, After string }

// String says what has changed: "reload-burst 10 → 20".
func (c Change) String() string {
	return c.Name + " " + orEmpty(c.Before) + " → " + orEmpty(c.After)
}

// orEmpty shows an empty value.
func orEmpty(value string) string {
	if value == "" {
		return "(empty)"
	}
	return value
}

// A Transition says what happens to settings that were read again.
type Transition struct {
	Next    *Agent   // what is in effect then
	Changed []Change // settings of Next with a new value
	// Restart are the settings with a new value that takes effect at a restart. Next has
	// their former one.
	Restart []Change
}

// Has reports whether one of the settings has a new value that takes effect now.
func (t Transition) Has(names ...string) bool {
	return slices.ContainsFunc(t.Changed, func(c Change) bool { return slices.Contains(names, c.Name) })
}

// Follow works out which of newer settings can take effect while the agent runs. All wait
// for a restart if those that can are wrong without those that cannot.
func (s *Agent) Follow(newer *Agent) Transition {
	live := liveSettings()
	var t Transition
	for _, c := range changes(s, newer) {
		if live[c.Name] && mayFollow(s, newer, c.Name) {
			t.Changed = append(t.Changed, c)
		} else {
			t.Restart = append(t.Restart, c)
		}
	}
	t.Next = mixed(s, newer, func(name string) bool { return t.Has(name) })
	if validate(t.Next) != nil {
		return Transition{Next: s, Restart: changes(s, newer)}
	}
	return t
}

// liveSettings are the names of those that may change while the agent runs.
func liveSettings() map[string]bool {
	live := map[string]bool{}
	for _, g := range Groups() {
		for _, one := range g.Settings {
			live[one.Name] = one.Live
		}
	}
	return live
}

// mayFollow reports whether a live setting can change from s to newer. Whether the API uses TLS,
// and whether it asks callers to log in, cannot change while the agent runs.
func mayFollow(s, newer *Agent, name string) bool {
	knowsCallers := func(a *Agent) bool { return a.tokenFile != "" || a.accessFile != "" }
	switch name {
	case "tls-cert", "tls-key", "client-ca":
		return s.TLS().Mode() == newer.TLS().Mode()
	case "consul-ca-file", "consul-cert-file", "consul-key-file", "consul-tls-name": // with the first one the address is HTTPS
		var none consul.TLSConfig
		return (s.consulTLS() == none) == (newer.consulTLS() == none)
	case "token-file", "access-file":
		return knowsCallers(s) == knowsCallers(newer)
	}
	return true
}

// changes are the settings that differ, in the order of Groups.
func changes(s, newer *Agent) []Change {
	var out []Change
	for _, g := range Groups() {
		for _, one := range g.Settings {
			c := Change{one.Name, s.flags.Lookup(one.Name).Value.String(), newer.flags.Lookup(one.Name).Value.String()}
			if c.Before != c.After {
				out = append(out, c)
			}
		}
	}
	return out
}

// File is the settings file; empty: there is none.
func (s *Agent) File() string { return s.file }

// mixed is s with those settings of newer for which isNewer is true. None of them is a path of
// [paths].
func mixed(s, newer *Agent, isNewer func(name string) bool) *Agent {
	out := &Agent{}
	f := newFlagSet(out)
	f.VisitAll(func(flag *pflag.Flag) {
		from := s.flags
		if isNewer(flag.Name) {
			from = newer.flags
		}
		copyValue(flag, from.Lookup(flag.Name))
	})
	out.paths, out.source, out.consulEnvToken = s.paths, s.source, s.consulEnvToken
	out.flags = f
	return out
}
