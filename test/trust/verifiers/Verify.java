// What Java's PKIX validator says of chains: Verify ROOT CHAIN...
import java.io.FileInputStream;
import java.io.InputStream;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

public class Verify {
  public static void main(String[] args) throws Exception {
    CertificateFactory factory = CertificateFactory.getInstance("X.509");
    List<Certificate> roots = certificates(factory, args[0]);
    TrustAnchor anchor = new TrustAnchor((X509Certificate) roots.get(0), null);
    for (int at = 1; at < args.length; at++) {
      PKIXParameters parameters = new PKIXParameters(Set.of(anchor));
      parameters.setRevocationEnabled(false);
      try {
        CertPathValidator.getInstance("PKIX")
            .validate(factory.generateCertPath(certificates(factory, args[at])), parameters);
        System.out.println("ok");
      } catch (CertPathValidatorException refused) {
        System.out.println(refused.getMessage());
      }
    }
  }

  private static List<Certificate> certificates(CertificateFactory factory, String path)
      throws Exception {
    try (InputStream file = new FileInputStream(path)) {
      return new ArrayList<>(factory.generateCertificates(file));
    }
  }
}
