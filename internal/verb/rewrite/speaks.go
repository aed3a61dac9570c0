package rewrite

import (
	"crypto/md5" //nolint:gosec // what other programs compare with
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// User metadata in which other programs keep sums of the bytes that are stored:
// true of the original, they would be false of any other form of it.
const (
	// rclone's MD5 of an upload in parts, in base64; it compares what it downloads.
	// https://rclone.org/s3/#multipart-uploads
	rcloneMD5 = "md5chksum"
	// s3cmd's attributes of a file, NAME:VALUE with slashes between. It compares
	// what it gets with the field md5, in hex.
	// https://github.com/s3tools/s3cmd/blob/master/S3/S3.py
	s3cmdAttrs = "s3cmd-attrs"
	s3cmdMD5   = "md5:"
)

// ofBytes gives user metadata as they are true of body, and what they were where
// that is not so any more. What body will be may not be known yet: then it is nil,
// and they say nothing of it.
func ofBytes(metadata map[string]string, body []byte) (now, was map[string]string) {
	now, was = make(map[string]string, len(metadata)), map[string]string{}
	for name, value := range metadata {
		switch strings.ToLower(name) {
		case rcloneMD5:
			was[rcloneMD5] = value
			if body != nil {
				sum := md5.Sum(body) //nolint:gosec // as above
				now[name] = base64.StdEncoding.EncodeToString(sum[:])
			}
		case s3cmdAttrs:
			var fields []string
			for field := range strings.SplitSeq(value, "/") {
				if old, ok := strings.CutPrefix(field, s3cmdMD5); ok {
					if was[s3cmdAttrs] = old; body == nil {
						continue
					}
					sum := md5.Sum(body) //nolint:gosec // as above
					field = s3cmdMD5 + hex.EncodeToString(sum[:])
				}
				fields = append(fields, field)
			}
			if all := strings.Join(fields, "/"); all != "" || value == "" {
				now[name] = all
			}
		default:
			now[name] = value
		}
	}
	return now, was
}
