package settings

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"thalassa/internal/safefile"
)

// Kebab turns the original's camelCase names into the documented ones, so that
// --haproxySocketPath is --haproxy-socket-path.
func Kebab(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return pflag.NormalizedName(b.String())
}

// maxFile bounds a file that settings name, in bytes.
const maxFile = 1 << 20

// LoadFile sets every flag of f that the command line did not set from a YAML file. The file is
// strict: an unknown or repeated key is an error. The error is an [Error]; it names file, line and
// key.
func LoadFile(f *pflag.FlagSet, path string) error {
	data, err := safefile.Read(path, maxFile) // which is read again while the agent runs
	if err != nil {
		return Error{fmt.Errorf("reading the settings: %w", err)}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return Error{fmt.Errorf("reading the settings in %s: %w", path, err)}
	}
	if doc.Kind == 0 { // an empty file
		return nil
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return Error{fmt.Errorf("%s:%d: expected a mapping of settings", path, top.Line)}
	}
	var problems []error
	seen := map[pflag.NormalizedName]bool{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		name := Kebab(f, key.Value)
		if seen[name] {
			problems = append(problems, fmt.Errorf("%s:%d: %s is set twice", path, key.Line, name))
		}
		seen[name] = true
		if err := setFromFile(f, name, value); err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", path, key.Line, err))
		}
	}
	if len(problems) > 0 {
		return Error{errors.Join(problems...)}
	}
	return nil
}

func setFromFile(f *pflag.FlagSet, name pflag.NormalizedName, value *yaml.Node) error {
	flag := f.Lookup(string(name))
	if flag == nil || name == "config" || name == "help" {
		return fmt.Errorf("%s is not a setting", name)
	}
	text := value.Value
	switch {
	case value.Kind == yaml.SequenceNode && flag.Value.Type() == "stringSlice":
		var items []string
		if err := value.Decode(&items); err != nil {
			return fmt.Errorf("%s: expected a list of strings", name)
		}
		text = strings.Join(items, ",")
	case flag.Value.Type() == routeListType, flag.Value.Type() == yamlListType:
		data, err := yaml.Marshal(value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		text = string(data)
	case value.Kind != yaml.ScalarNode:
		return fmt.Errorf("%s: expected one value of type %s", name, flag.Value.Type())
	}
	if flag.Changed { // the command line wins
		return nil
	}
	if err := flag.Value.Set(text); err != nil {
		return fmt.Errorf("%s: %w", name, BadValue(flag, text))
	}
	return nil
}
