package lb

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxShares = 16
	// maxShare is finer than HAProxy's weights are.
	maxShare = 10_000
)

// A Share is a version's part of a backend's traffic: its weight among those of
// a split. Weight 0 is no traffic.
type Share struct {
	Version Version
	Weight  int
}

// A Split divides the traffic of a backend between versions of its service:
// sorted by version, each once, 1 to 16 of them, with weights from 0 to 10000
// that are not all 0. They need not add up to 100.
type Split []Share

// NewSplit makes a split of shares in any order.
func NewSplit(shares ...Share) (Split, error) {
	var split Split
	for _, share := range shares {
		if share.Weight < 0 || share.Weight > maxShare {
			return nil, bad(strconv.Itoa(share.Weight)+" is not a weight", "a whole number from 0 to "+strconv.Itoa(maxShare))
		}
		if !split.add(share) {
			return nil, bad(strconv.Quote(string(share.Version))+" is named twice", "each version once")
		}
	}
	return split, split.check()
}

// ParseSplit reads what String writes, in any order: "1.0.0=90,1.1.0=10".
func ParseSplit(s string) (Split, error) {
	const expected = "versions with their weights, e.g. 1.0.0=90,1.1.0=10"
	var shares []Share
	for part := range strings.SplitSeq(s, ",") {
		name, number, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, bad(strconv.Quote(part)+" has no weight", expected)
		}
		version, err := ParseVersion(name)
		if err != nil {
			return nil, bad(strconv.Quote(part)+" names no version", expected)
		}
		weight, err := parseShare(number)
		if err != nil {
			return nil, err
		}
		shares = append(shares, Share{version, weight})
	}
	return NewSplit(shares...)
}

func parseShare(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n > maxShare {
		return 0, bad(strconv.Quote(s)+" is not a weight", "a whole number from 0 to "+strconv.Itoa(maxShare))
	}
	return int(n), nil
}

// add puts a share into its place; false: the version is there already.
func (s *Split) add(share Share) bool {
	i, found := slices.BinarySearchFunc(*s, share, func(a, b Share) int { return cmp.Compare(a.Version, b.Version) })
	if !found {
		*s = slices.Insert(*s, i, share)
	}
	return !found
}

// check looks at the split as a whole.
func (s Split) check() error {
	switch {
	case len(s) == 0:
		return bad("names no version", `versions with their weights, e.g. {"1.0.0": 90, "1.1.0": 10}`)
	case len(s) > maxShares:
		return bad("names "+strconv.Itoa(len(s))+" versions", "at most "+strconv.Itoa(maxShares))
	case len(s.Active()) == 0:
		return bad("gives traffic to no version", "a weight above 0")
	}
	return nil
}

// Active lists the versions that get traffic.
func (s Split) Active() []Version {
	var out []Version
	for _, share := range s {
		if share.Weight > 0 {
			out = append(out, share.Version)
		}
	}
	return out
}

// of finds the version that an instance gets traffic as. An instance that has
// several by its tags counts as the first.
func (s Split) of(i Instance) (Version, bool) {
	for _, share := range s {
		if share.Weight > 0 && i.Is(share.Version) {
			return share.Version, true
		}
	}
	return "", false
}

// String gives "1.0.0=90,1.1.0=10".
func (s Split) String() string {
	parts := make([]string, len(s))
	for i, share := range s {
		parts[i] = string(share.Version) + "=" + strconv.Itoa(share.Weight)
	}
	return strings.Join(parts, ",")
}

// A SplitSpec is a split as written by a user, not yet checked.
type SplitSpec struct {
	Shares []ShareSpec
	// Malformed says why the shares cannot be read, e.g. "is no object"; empty: they can.
	Malformed string
}

// A ShareSpec is one share of a SplitSpec.
type ShareSpec struct {
	Version string
	Weight  string // in decimal; empty: it is no number
}

// spec is the split as it would be written; nil for none.
func (s Split) spec() *SplitSpec {
	if s == nil {
		return nil
	}
	out := &SplitSpec{Shares: make([]ShareSpec, len(s))}
	for i, share := range s {
		out.Shares[i] = ShareSpec{Version: string(share.Version), Weight: strconv.Itoa(share.Weight)}
	}
	return out
}

// Parse checks a split. The error is an *InvalidError that names every bad version.
func (s SplitSpec) Parse() (Split, error) {
	var fe FieldErrors
	split := s.parse(&fe, "versions")
	return split, fe.Err()
}

// parse checks a split at path.
func (s SplitSpec) parse(fe *FieldErrors, path string) Split {
	if s.Malformed != "" {
		fe.Add(path, s.Malformed, `versions with their weights, e.g. {"1.0.0": 90, "1.1.0": 10}`)
		return nil
	}
	var split Split
	before := len(fe.list)
	for _, share := range s.Shares {
		inner := path + "[" + strconv.Quote(share.Version) + "]"
		version, err := ParseVersion(share.Version)
		weight, weightErr := parseShare(share.Weight)
		switch {
		case err != nil:
			fe.AddErr(inner, err)
		case share.Weight == "":
			fe.Add(inner, "is no number", "a whole number from 0 to "+strconv.Itoa(maxShare))
		case weightErr != nil:
			fe.AddErr(inner, weightErr)
		case !split.add(Share{version, weight}):
			fe.Add(inner, "is named twice", "each version once")
		}
	}
	if len(fe.list) == before {
		fe.AddErr(path, split.check())
	}
	return split
}

// parseSelection reads which versions a backend is at: one, or several with
// their weights.
func parseSelection(fe *FieldErrors, version string, versions *SplitSpec) (Version, Split) {
	if versions == nil {
		v, err := ParseVersion(version)
		fe.AddErr("version", err)
		return v, nil
	}
	if version != "" {
		fe.Add("versions", "cannot be combined with version", "either version or versions")
	}
	return "", versions.parse(fe, "versions")
}
