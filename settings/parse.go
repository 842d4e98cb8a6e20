package settings

import (
	"fmt"

	"github.com/spf13/pflag"
)

// An Error is a mistake in flags, the settings file or the environment. Its text
// names the setting, and for a file the line.
type Error struct{ Err error }

// Error is the text of the mistake.
func (e Error) Error() string { return e.Err.Error() }

// Unwrap returns the mistake.
func (e Error) Unwrap() error { return e.Err }

// Load completes the settings, whose flags f has parsed, from the settings file and
// the environment, and checks them. getenv is os.Getenv, or a replacement in tests. The error
// is an [Error].
func (s *Agent) Load(f *pflag.FlagSet, getenv func(string) string) error {
	s.flags, s.given, s.getenv = f, changedFlags(f), getenv
	if s.file != "" {
		if err := LoadFile(f, s.file); err != nil {
			return err
		}
	}
	s.consulEnvToken, s.runDirs.user = getenv("CONSUL_HTTP_TOKEN"), getenv("XDG_RUNTIME_DIR")
	return check(s)
}

// Parse returns the settings that a command line gives, as --name=value each.
func Parse(args []string, getenv func(string) string) (*Agent, error) {
	s := &Agent{}
	f := newFlagSet(s)
	if err := f.Parse(args); err != nil {
		return nil, Error{err}
	}
	return s, s.Load(f, getenv)
}

func newFlagSet(s *Agent) *pflag.FlagSet {
	f := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	f.SetNormalizeFunc(Kebab)
	s.Flags(f)
	return f
}

// BadValue returns an error that says what a flag expects instead of text.
func BadValue(f *pflag.Flag, text string) error {
	if t := f.Value.Type(); t == routeListType || t == yamlListType {
		if err := f.Value.Set(text); err != nil { // which says what is wrong, and changes nothing
			return err
		}
	}
	expected := "a value of type " + f.Value.Type()
	switch f.Value.Type() {
	case "int":
		expected = "a whole number"
	case "uint64":
		expected = "a whole number, 0 or more"
	case "float64":
		expected = "a number"
	case "bool":
		expected = "true or false"
	case "duration":
		expected = "a duration such as 30s or 5m"
	}
	return fmt.Errorf("%q is not %s", text, expected)
}
