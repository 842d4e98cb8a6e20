package corosync

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Totem holds the timeouts of corosync's failure detection: corosync.conf(5).
type Totem struct {
	// Token is the token timeout in effect, after which a node is considered dead.
	// corosync adds the coefficient for every node beyond two.
	Token time.Duration
	// Consensus is the consensus timeout: the other nodes then need that long to agree.
	Consensus time.Duration
	// Base and Coefficient are the values in corosync.conf; Unset: it has none.
	Base, Coefficient time.Duration
}

// Unset is a timeout that corosync.conf does not set.
const Unset = time.Duration(-1)

const (
	// defaultToken and defaultCoefficient are those of corosync 3.
	defaultToken, defaultCoefficient = 3000 * time.Millisecond, 650 * time.Millisecond
	// slowToken is the longest token timeout without a warning.
	slowToken = 1200 * time.Millisecond
)

// ParseTotem reads the timeouts in effect from corosync's map, as corosync-cmapctl writes it. ok: it
// has them.
func ParseTotem(out string) (t Totem, ok bool) {
	values := valuesOf(out)
	get := func(key string) time.Duration { return milliseconds(values[key], Unset) }
	t = Totem{
		Token: get("runtime.config.totem.token"), Consensus: get("runtime.config.totem.consensus"),
		Base: get("totem.token"), Coefficient: get("totem.token_coefficient"),
	}
	return t, t.Token > 0
}

// Totem is what follows from the file.
func (c Config) Totem() Totem {
	get := func(key string, unset time.Duration) time.Duration {
		text, _ := c.totem(key)
		return milliseconds(text, unset)
	}
	t := Totem{Base: get("token", Unset), Coefficient: get("token_coefficient", Unset)}
	t.Token = get("token", defaultToken) + time.Duration(max(0, len(c.Nodes())-2))*get("token_coefficient", defaultCoefficient)
	t.Consensus = get("consensus", t.Token*6/5)
	return t
}

// milliseconds reads a number of them; unset: it is none.
func milliseconds(text string, unset time.Duration) time.Duration {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return unset
	}
	return time.Duration(n) * time.Millisecond
}

// Warnings returns warnings about timeouts that make failover slow.
func (t Totem) Warnings() []string {
	if t.Token <= slowToken {
		return nil
	}
	line := fmt.Sprintf("SLOW FAILOVER: corosync notices a dead node after %d ms, and needs another %d ms to agree",
		t.Token.Milliseconds(), t.Consensus.Milliseconds())
	var why []string
	if t.Base == Unset {
		why = append(why, "token is not set (3000 by default)")
	} else if t.Base > slowToken {
		why = append(why, fmt.Sprintf("token is %d", t.Base.Milliseconds()))
	}
	switch {
	case t.Coefficient == Unset:
		why = append(why, "token_coefficient is not set (650 ms more for each node beyond two)")
	case t.Coefficient > 0:
		why = append(why, fmt.Sprintf("token_coefficient is %d (ms more for each node beyond two)", t.Coefficient.Milliseconds()))
	}
	if len(why) > 0 {
		line += ": " + strings.Join(why, ", ")
	}
	return []string{line, "with token: 1000 and token_coefficient: 0 in the totem section of corosync.conf, a failover after the death of a node takes 2 to 3 s"}
}
