package assay;

import io.spiffe.bundle.x509bundle.X509Bundle;
import io.spiffe.svid.jwtsvid.JwtSvid;
import io.spiffe.svid.x509svid.X509Svid;
import io.spiffe.svid.x509svid.X509SvidValidator;
import io.spiffe.workloadapi.DefaultJwtSource;
import io.spiffe.workloadapi.DefaultWorkloadApiClient;
import io.spiffe.workloadapi.DefaultX509Source;
import io.spiffe.workloadapi.JwtSource;
import io.spiffe.workloadapi.Watcher;
import io.spiffe.workloadapi.WorkloadApiClient;
import io.spiffe.workloadapi.X509Context;
import io.spiffe.workloadapi.X509Source;
import java.time.Duration;
import java.util.Set;

/**
 * Drives java-spiffe against the Workload API named by SPIFFE_ENDPOINT_SOCKET and prints a JSON line per event.
 *
 * <p>Client x509 | jwt AUDIENCE | watch | rounds N
 */
public final class Client {
  public static void main(String[] args) throws Exception {
    System.setProperty("spiffe.newX509Source.timeout", "PT5M");
    System.setProperty("spiffe.newJwtSource.timeout", "PT5M");
    try {
      run(args);
    } catch (Exception e) {
      say("error", "message", e.toString());
      System.exit(1);
    }
    System.exit(0);
  }

  private static void run(String[] args) throws Exception {
    switch (args[0]) {
      case "x509":
        try (X509Source source = DefaultX509Source.newSource()) {
          X509Svid svid = source.getX509Svid();
          X509SvidValidator.verifyChain(svid.getChain(), source);
          X509Bundle bundle = source.getBundleForTrustDomain(svid.getSpiffeId().getTrustDomain());
          say("x509", "spiffeId", svid.getSpiffeId().toString(), "serial", serial(svid),
              "authorities", String.valueOf(bundle.getX509Authorities().size()));
        }
        break;
      case "jwt":
        try (JwtSource source = DefaultJwtSource.newSource(); WorkloadApiClient client = DefaultWorkloadApiClient.newClient()) {
          JwtSvid svid = source.fetchJwtSvid(args[1]);
          JwtSvid verified = JwtSvid.parseAndValidate(svid.marshal(), source, Set.of(args[1]));
          JwtSvid remote = client.validateJwtSvid(svid.marshal(), args[1]);
          say("jwt", "spiffeId", verified.getSpiffeId().toString(), "audience", String.join(",", verified.getAudience()),
              "validated", remote.getSpiffeId().toString());
        }
        break;
      case "watch":
        WorkloadApiClient client = DefaultWorkloadApiClient.newClient();
        client.watchX509Context(new Watcher<X509Context>() {
          @Override
          public void onUpdate(X509Context update) {
            X509Svid svid = update.getDefaultSvid();
            say("update", "spiffeId", svid.getSpiffeId().toString(), "serial", serial(svid));
          }

          @Override
          public void onError(Throwable error) {
            say("watchError", "message", String.valueOf(error));
          }
        });
        while (System.in.read() >= 0) { } // until the test closes it
        break;
      case "rounds": // many calls on one connection: the HPACK table cycles meanwhile
        try (WorkloadApiClient rounds = DefaultWorkloadApiClient.newClient()) {
          for (int i = 0; i < Integer.parseInt(args[1]); i++) {
            rounds.fetchX509Context();
            rounds.fetchJwtSvid("audience-" + i % 7);
          }
          say("rounds", "count", args[1]);
        }
        break;
      default:
        throw new IllegalArgumentException("unknown mode " + args[0]);
    }
  }

  private static String serial(X509Svid svid) {
    return svid.getLeaf().getSerialNumber().toString(16);
  }

  private static synchronized void say(String event, String... fields) {
    StringBuilder line = new StringBuilder("{\"event\":\"" + event + "\"");
    for (int i = 0; i < fields.length; i += 2) {
      line.append(",\"").append(fields[i]).append("\":\"")
          .append(fields[i + 1].replace("\\", "\\\\").replace("\"", "'").replace("\n", " ")).append('"');
    }
    System.out.println(line.append('}'));
    System.out.flush();
  }
}
