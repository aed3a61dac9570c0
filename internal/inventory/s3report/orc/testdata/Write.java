import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.sql.Timestamp;
import java.time.Instant;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hive.ql.exec.vector.BytesColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.ColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.DoubleColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.ListColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.LongColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.StructColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.TimestampColumnVector;
import org.apache.hadoop.hive.ql.exec.vector.VectorizedRowBatch;
import org.apache.orc.CompressionKind;
import org.apache.orc.OrcFile;
import org.apache.orc.TypeDescription;
import org.apache.orc.Writer;

/** Writes types.csv or report.csv as ORC: Write FILE.csv FILE.orc COMPRESSION VERSION [PROPERTY=VALUE …]. */
public class Write {
  static final String TYPES = "struct<flag:boolean,t:tinyint,list:array<struct<x:int,y:string>>,s:smallint,i:int,"
      + "half:double,l:bigint,text:string,inner:struct<l:bigint,ts:timestamp>,short:varchar(20),padded:char(10),"
      + "ts:timestamp,tz:timestamp with local time zone>";
  static final String REPORT = "struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,"
      + "size:bigint,last_modified_date:timestamp,e_tag:string,storage_class:string,is_multipart_uploaded:boolean,"
      + "replication_status:string,encryption_status:string,object_lock_retain_until_date:timestamp,object_lock_mode:string,"
      + "object_lock_legal_hold_status:string,intelligent_tiering_access_tier:string,bucket_key_status:string,"
      + "checksum_algorithm:string,object_access_control_list:string,object_owner:string>";

  public static void main(String[] args) throws Exception {
    boolean report = args[0].contains("report");
    Properties p = new Properties();
    for (int i = 4; i < args.length; i++) {
      String[] kv = args[i].split("=", 2);
      p.setProperty(kv[0], kv[1]);
    }
    TypeDescription schema = TypeDescription.fromString(report ? REPORT : TYPES);
    Configuration conf = new Configuration();
    conf.set("fs.file.impl", "org.apache.hadoop.fs.RawLocalFileSystem");
    OrcFile.WriterOptions options = OrcFile.writerOptions(p, conf).setSchema(schema).overwrite(true)
        .compress(CompressionKind.valueOf(args[2])).version(OrcFile.Version.byName(args[3]));
    if (p.containsKey("orc.compress.size")) {
      options.enforceBufferSize();
    }
    int batchRows = Integer.parseInt(p.getProperty("batch", "1024"));
    Writer w = OrcFile.createWriter(new Path(args[1]), options);
    VectorizedRowBatch b = schema.createRowBatch(batchRows);
    try (java.util.stream.Stream<String> lines = Files.lines(Paths.get(args[0]))) {
      for (String line : (Iterable<String>) lines::iterator) {
        String[] f = line.split(",", -1);
        int at = 0;
        for (int c = 0; c < b.cols.length; c++) {
          TypeDescription type = schema.getChildren().get(c);
          if (!type.getCategory().isPrimitive() || type.getCategory() == TypeDescription.Category.DOUBLE) {
            extra(b.cols[c], b.size);
          } else if (report && c == 1) {
            set(type, b.cols[c], b.size, unescape(f[at++]));
          } else {
            String text = f[at++];
            set(type, b.cols[c], b.size, report ? text.getBytes("UTF-8") : quoted(type, text));
          }
        }
        if (++b.size == b.getMaxSize()) {
          w.addRowBatch(b);
          b.reset();
        }
      }
    }
    w.addRowBatch(b);
    w.close();
  }

  static byte[] quoted(TypeDescription type, String s) throws Exception {
    boolean text = s.startsWith("'");
    byte[] b = (text ? s.substring(1) : s).getBytes("UTF-8");
    return text && b.length == 0 ? EMPTY : b;
  }

  static final byte[] EMPTY = new byte[0];

  static void set(TypeDescription type, ColumnVector v, int row, byte[] b) {
    String s = new String(b, StandardCharsets.UTF_8);
    if (b.length == 0 && b != EMPTY) {
      v.noNulls = false;
      v.isNull[row] = true;
      return;
    }
    switch (type.getCategory()) {
      case BOOLEAN:
        ((LongColumnVector) v).vector[row] = s.equals("true") ? 1 : 0;
        break;
      case BYTE: case SHORT: case INT: case LONG:
        ((LongColumnVector) v).vector[row] = Long.parseLong(s);
        break;
      case TIMESTAMP: case TIMESTAMP_INSTANT:
        String iso = s.replace(' ', 'T').replace("Z", "");
        ((TimestampColumnVector) v).set(row, type.getCategory() == TypeDescription.Category.TIMESTAMP
            ? Timestamp.valueOf(LocalDateTime.parse(iso)) : Timestamp.from(Instant.parse(iso + "Z")));
        break;
      default:
        ((BytesColumnVector) v).setVal(row, b);
    }
  }

  /** Fills columns that nobody reads. */
  static void extra(ColumnVector v, int row) {
    if (v instanceof DoubleColumnVector) {
      ((DoubleColumnVector) v).vector[row] = row / 2.0;
    } else if (v instanceof ListColumnVector) {
      ListColumnVector l = (ListColumnVector) v;
      l.offsets[row] = l.childCount;
      l.lengths[row] = row % 3;
      l.childCount += row % 3;
      l.child.ensureSize(l.childCount, true);
      for (int i = (int) l.offsets[row]; i < l.childCount; i++) {
        ((LongColumnVector) ((StructColumnVector) l.child).fields[0]).vector[i] = i;
        ((BytesColumnVector) ((StructColumnVector) l.child).fields[1]).setVal(i, ("y" + i).getBytes(StandardCharsets.UTF_8));
      }
    } else {
      StructColumnVector s = (StructColumnVector) v;
      ((LongColumnVector) s.fields[0]).vector[row] = -row;
      ((TimestampColumnVector) s.fields[1]).set(row, new Timestamp(row));
    }
  }

  static byte[] unescape(String s) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (c == '%') {
        out.write(Integer.parseInt(s.substring(i + 1, i + 3), 16));
        i += 2;
      } else {
        out.write(c == '+' ? ' ' : c);
      }
    }
    return out.toByteArray();
  }
}
