package settings

import (
	"errors"
	"fmt"
	"path/filepath"

	"thalassa/haproxy"
	"thalassa/natives"
)

// The values of allow-natives.
const (
	nativesFiles = "files" // files in certain directories, nothing else
	nativesAny   = "any"   // everything but the agent's own files
)

// checkNatives finds mistakes in the settings about raw lines.
func (s *Agent) checkNatives() error {
	var problems []error
	if s.allowNatives != nativesFiles && s.allowNatives != nativesAny {
		problems = append(problems, fmt.Errorf("allow-natives: %q is not known, expected %s or %s", s.allowNatives, nativesFiles, nativesAny))
	}
	for _, dir := range s.nativesDirs {
		if !filepath.IsAbs(dir) {
			problems = append(problems, fmt.Errorf("natives-dirs: %q is not a directory's absolute name, expected one such as /etc/haproxy", dir))
		}
	}
	return errors.Join(problems...)
}

// RawLines is what the raw lines of frontends and backends may reach.
func (s *Agent) RawLines() natives.Policy {
	var own []string
	for _, path := range []string{
		s.file, s.tokenFile, s.consulToken, s.consulCA, s.consulCert, s.consulKey, s.statsSocket, s.masterSocket, s.peersSocket,
		s.pidPath, s.cfgPath, haproxy.StateFile(s.cfgPath), s.templateFile, s.persistence,
		filepath.Join(s.dbPath, "thalassa.db"), filepath.Join(s.dbPath, "haproxy.startup.log"),
	} {
		if path == "" {
			continue
		}
		if abs, err := filepath.Abs(path); err == nil {
			own = append(own, abs)
		}
	}
	return natives.Policy{
		Dirs: s.nativesDirs, CertificateDirs: natives.CertificateDirs(), Own: own, Any: s.allowNatives == nativesAny,
	}
}
