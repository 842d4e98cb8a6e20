package lb

import (
	"cmp"
	"hash/fnv"
	"io"
	"slices"
	"strconv"
	"strings"
)

// A backend that hashes (balance source, uri, hash and others) sends the requests of one
// key to one member. Which one follows from where HAProxy places the server lines. Load
// balancers with the same members agree only if that follows from the addresses: slots
// hold other members on each of them.

// A Placement says how HAProxy assigns keys to the members of a backend that hashes.
type Placement int

// The placements.
const (
	// PlacedByLine: the number or the order of the server lines decides. Of a backend that
	// does not hash, nothing depends on it.
	PlacedByLine Placement = iota
	// PlacedByAddress: each server line says "hash-key addr-port" (configuration manual of
	// HAProxy 3.0, 5.2). HAProxy places a line again when its address changes.
	PlacedByAddress
	// PlacedByNumber: each member has a line of its own. The lines are sorted by address,
	// and numbered by it (see numberByAddress). A change of the members needs a reload.
	PlacedByNumber
)

// String names the placement; "lines" for PlacedByLine.
func (p Placement) String() string {
	return [...]string{"lines", "addresses (hash-key)", "addresses (hashStable)"}[p]
}

// Values of hash-type (configuration manual, 4.2).
const (
	hashConsistent = "consistent"
	hashMapBased   = "map-based"
)

// hashingAlgorithms are those of "balance" that hash.
const hashingAlgorithms = " source uri url_param hdr rdp-cookie hash "

// Hashes reports whether the algorithm hashes.
func (b Backend) Hashes() bool {
	name, _, _ := strings.Cut(b.Balance, " ")
	name, _, _ = strings.Cut(name, "(")
	return isOneOf(hashingAlgorithms, name)
}

// HashType is the argument of the last hash-type line among the raw lines: "consistent" or
// "map-based"; empty: there is none.
func (b Backend) HashType() string {
	for _, n := range slices.Backward(b.Natives) {
		if t := HashType(string(n)); t != "" {
			return t
		}
	}
	return ""
}

// HashType is the argument of a hash-type line; empty for any other line.
func HashType(line string) string {
	if !strings.Contains(line, "hash-type") {
		return ""
	}
	words := lineWords(RawLine(strings.TrimSpace(line)))
	if wordAt(words, 0) != "hash-type" {
		return ""
	}
	return wordAt(words, 1)
}

// placement is how this HAProxy places the members of a backend.
func (p Process) placement(b Backend) Placement {
	switch {
	case !b.Hashes():
		return PlacedByLine
	case p.HashKey && p.hashType(b) == hashConsistent && isOneOf(" addr-port ", cmp.Or(b.serverDefaults().hashKey, "addr-port")):
		return PlacedByAddress
	case b.HashStable:
		return PlacedByNumber
	}
	return PlacedByLine
}

// hashType is that of a backend: its own, that of the template, or HAProxy's default.
func (p Process) hashType(b Backend) string {
	return cmp.Or(b.HashType(), p.HashType, hashMapBased)
}

// UnstableHash is a sentence about a backend whose keys go to other members on other load balancers
// with the same members, and how to avoid that; empty: they do not.
func (p Process) UnstableHash(b Backend) string {
	switch p.placement(b) {
	case PlacedByAddress:
		return ""
	case PlacedByNumber:
		if p.Unnumbered && p.hashType(b) == hashConsistent {
			return b.ID() + ": hashStable has no effect, because the template does not write the numbers of server lines (.ID)"
		}
		return ""
	case PlacedByLine:
		if !b.Hashes() || b.serverDefaults().hashKey != "" {
			return ""
		}
	}
	text := b.ID() + ": balance " + b.Balance + " follows the server lines, so another load balancer with the same members may choose another member; "
	switch {
	case p.hashType(b) == hashConsistent:
		return text + `"hashStable": true makes it follow the addresses, with a reload for each change of the members`
	case p.HashKey:
		return text + `the raw line "hash-type consistent" makes it follow the addresses`
	}
	return text + `"hashStable": true, best with the raw line "hash-type consistent", makes it follow the addresses, with a reload for each change of the members`
}

// checkHashStable refuses what the field cannot be combined with.
func (b Backend) checkHashStable(fe *FieldErrors) {
	if b.HashStable && !b.Hashes() {
		fe.Add("hashStable", "is true, and balance "+b.Balance+" does not hash", "false, or source, uri, url_param, hdr, rdp-cookie or hash as balance")
	}
}

// Bounds of the numbers of server lines. HAProxy before 3.0 places a line by the lowest 20
// bits of its number. The first numbers are those of raw server lines, which say none.
const (
	firstNumber = 1 << 10
	endNumber   = 1 << 20
)

// numberByAddress sorts server lines by address and numbers them: each gets the hash of its
// name, which is its address, or the next number that is free. taken are the numbers of
// raw lines. So equal members make equal lines.
func numberByAddress(servers []Server, taken map[int]bool) {
	slices.SortFunc(servers, func(a, b Server) int {
		return cmp.Or(cmp.Compare(a.Address.Host, b.Address.Host), cmp.Compare(a.Address.Port, b.Address.Port), cmp.Compare(a.Name, b.Name))
	})
	if taken == nil {
		taken = make(map[int]bool, len(servers))
	}
	for i := range servers {
		sum := fnv.New32a()
		_, _ = io.WriteString(sum, strings.ToLower(servers[i].Name)) // never fails
		number := firstNumber + int(sum.Sum32()%(endNumber-firstNumber))
		for range endNumber {
			if !taken[number] {
				break
			}
			if number++; number == endNumber {
				number = firstNumber
			}
		}
		taken[number], servers[i].ID = true, number
	}
}

// rawNumbers are the numbers that raw server lines say.
func (b Backend) rawNumbers() map[int]bool {
	out := map[int]bool{}
	for _, n := range b.Natives {
		words := lineWords(n)
		if wordAt(words, 0) != "server" {
			continue
		}
		if at := slices.Index(words, "id"); at > 2 {
			if number, err := strconv.Atoi(wordAt(words, at+1)); err == nil {
				out[number] = true
			}
		}
	}
	return out
}
