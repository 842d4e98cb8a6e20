package settings

import (
	"path/filepath"

	"thalassa/haproxy"
	"thalassa/natives"
)

// The values of allow-natives.
const (
	nativesFiles = "files" // files in certain directories, nothing else
	nativesAny   = "any"   // everything but the agent's own files
)

// RawLines is what the raw lines of frontends and backends may reach.
func (s *Agent) RawLines() natives.Policy {
	var own []string
	for _, path := range append([]string{
		s.file, s.tokenFile, s.consulToken, s.consulCA, s.consulCert, s.consulKey, s.statsSocket, s.masterSocket, s.peersSocket, s.pageSocket,
		s.pidPath, s.cfgPath, haproxy.StateFile(s.cfgPath), haproxy.CertificateDir(s.cfgPath), haproxy.ChallengeMap(s.cfgPath), s.templateFile, s.persistence,
		s.keyFile, s.Keys(), filepath.Join(s.dbPath, "thalassa.db"), filepath.Join(s.dbPath, "haproxy.startup.log"),
	}, s.acme.secretFiles()...) {
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
