package hrapi

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"thalassa/api"
	"thalassa/lb"
)

// Variables are the values of the variables in texts of haproxy.cfg.
type Variables struct {
	// IP is the address of endpoints: @{gateway:endpoint:ip}.
	IP string
	// PortMin and PortMax are the first and the last port of endpoints.
	// @{gateway:endpoint:port:N} is PortMin+N.
	PortMin, PortMax int
	// Certificates is the folder of certificates: @{certificates:store}.
	Certificates string
	// PID is the file with the process id of HAProxy: @{pid:store}.
	PID string
}

// texts are the variables with a fixed value.
func (v Variables) texts() map[string]string {
	return map[string]string{
		"gateway:endpoint:ip": v.IP, "gateway:endpoint:port:min": strconv.Itoa(v.PortMin), "gateway:endpoint:port:max": strconv.Itoa(v.PortMax),
		"certificates:store": v.Certificates, "pid:store": v.PID,
	}
}

// expand replaces the variables of a text. An unknown variable is an *lb.InvalidError that names
// the lines; a port beyond PortMax is an *lb.ConflictError.
func (v Variables) expand(text string) (string, error) {
	var fe lb.FieldErrors
	fixed := v.texts()
	var beyond error
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		at := "line " + strconv.Itoa(i+1)
		lines[i] = variable.ReplaceAllStringFunc(line, func(found string) string {
			name := found[2 : len(found)-1]
			if value, ok := fixed[name]; ok && value != "" {
				return value
			}
			digits, isPort := strings.CutPrefix(name, "gateway:endpoint:port:")
			n, err := strconv.Atoi(digits)
			switch {
			case !isPort || err != nil || n < 0:
				fe.Add(at, strconv.Quote(found)+" is no variable", "one of GET /v1/haproxy/variables, or @{gateway:endpoint:port:0}")
			case n > v.PortMax-v.PortMin && beyond == nil:
				beyond = &api.ResponseError{
					Status: http.StatusConflict, Code: "conflict",
					Message: fmt.Sprintf("%s: there is no port %d: endpoints have the ports %d to %d", at, n, v.PortMin, v.PortMax),
				}
			}
			return strconv.Itoa(v.PortMin + n)
		})
	}
	if err := fe.Err(); err != nil {
		return "", err
	}
	return strings.Join(lines, ""), beyond
}

var variable = regexp.MustCompile(`@\{[^{}\n]*\}`)
