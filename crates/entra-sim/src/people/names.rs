//! Names in sixteen cultures, with the ASCII form that a user principal name takes (graph-facts §2.3: no accents).
//!
//! Surnames are unique over all cultures and given names within theirs, both in ASCII: a local part can be read back.

/// How a display name is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `Anna Müller`
    GivenFirst,
    /// `Nguyễn Thị Mai`
    FamilyFirst,
    /// `王小明`
    FamilyJoined,
}

/// A name as it is written and in ASCII.
pub type Name = (&'static str, &'static str);

/// Where people of a culture work.
pub struct Place {
    /// City as written there.
    pub city: &'static str,
    /// City in ASCII, lower case.
    pub ascii: &'static str,
    /// State or province.
    pub state: Option<&'static str>,
    /// Country, in English.
    pub country: &'static str,
    /// ISO 3166 code.
    pub code: &'static str,
    /// Street.
    pub street: &'static str,
    /// Beginning of postal codes.
    pub postal: &'static str,
    /// Beginning of phone numbers.
    pub dial: &'static str,
    /// Language tag.
    pub language: &'static str,
}

/// Names and places that go together.
pub struct Culture {
    /// How a display name is put together.
    pub order: Order,
    /// Given names.
    pub given: &'static [Name],
    /// Surnames.
    pub surnames: &'static [Name],
    /// Where its people work.
    pub places: [Place; 2],
}

#[rustfmt::skip]
const fn place(
    [city, ascii]: [&'static str; 2],
    state: Option<&'static str>,
    [country, code]: [&'static str; 2],
    [street, postal]: [&'static str; 2],
    [dial, language]: [&'static str; 2],
) -> Place {
    Place { city, ascii, state, country, code, street, postal, dial, language }
}

/// All cultures.
#[rustfmt::skip]
pub static CULTURES: [Culture; 16] = [
    Culture {
        order: Order::GivenFirst,
        given: &[
            ("Adele", "adele"), ("Alex", "alex"), ("Bianca", "bianca"), ("Cameron", "cameron"), ("Delia", "delia"),
            ("Grady", "grady"), ("Isaiah", "isaiah"), ("Joni", "joni"), ("Lidia", "lidia"), ("Lynne", "lynne"),
            ("Mallory", "mallory"), ("Megan", "megan"), ("Nestor", "nestor"), ("Patti", "patti"), ("Pradeep", "pradeep"),
            ("Siobhán", "siobhan"), ("Seán", "sean"), ("Oisín", "oisin"), ("Niamh", "niamh"), ("Chloë", "chloe"),
        ],
        surnames: &[
            ("Vance", "vance"), ("Wilber", "wilber"), ("Pisani", "pisani"), ("White", "white"), ("Dennis", "dennis"),
            ("Archie", "archie"), ("Langer", "langer"), ("Sherman", "sherman"), ("Holloway", "holloway"),
            ("Robbins", "robbins"), ("Cortez", "cortez"), ("Bowen", "bowen"), ("Wilke", "wilke"),
            ("Fernandez-Lee", "fernandez-lee"), ("O'Brien", "o'brien"), ("O'Sullivan", "o'sullivan"),
            ("Ó Súilleabháin", "osuilleabhain"), ("St. John", "stjohn"), ("McAllister", "mcallister"), ("Smythe", "smythe"),
        ],
        places: [
            place(["Redmond", "redmond"], Some("WA"), ["United States", "US"], ["One Microsoft Way", "98"], ["+1 425 555 ", "en-US"]),
            place(["Dublin", "dublin"], None, ["Ireland", "IE"], ["St Stephen's Green", "D02 "], ["+353 1 555 ", "en-IE"]),
        ],
    },
    Culture {
        order: Order::GivenFirst,
        given: &[
            ("Jürgen", "juergen"), ("Käthe", "kaethe"), ("Jörg", "joerg"), ("Bärbel", "baerbel"), ("Günther", "guenther"),
            ("Anneliese", "anneliese"), ("Björn", "bjoern"), ("Sören", "soeren"), ("Ulrike", "ulrike"), ("Heinz", "heinz"),
            ("Lieselotte", "lieselotte"), ("Matthias", "matthias"), ("Zoë", "zoe"), ("Wolfgang", "wolfgang"), ("Änne", "aenne"),
            ("Hildegard", "hildegard"), ("Dieter", "dieter"), ("Karl-Heinz", "karl-heinz"),
        ],
        surnames: &[
            ("Müller", "mueller"), ("Schäfer", "schaefer"), ("Groß", "gross"), ("Weiß", "weiss"), ("Köhler", "koehler"),
            ("Jäger", "jaeger"), ("Böhm", "boehm"), ("Strauß", "strauss"), ("Überreiter", "ueberreiter"),
            ("von der Heide", "vonderheide"), ("Möller-Lüdenscheidt", "moeller-luedenscheidt"), ("Kühn", "kuehn"),
            ("Schröder", "schroeder"), ("Zimmermann", "zimmermann"), ("Hänsel", "haensel"), ("Vögele", "voegele"),
            ("Fuchs", "fuchs"), ("Bäcker", "baecker"),
        ],
        places: [
            place(["München", "muenchen"], Some("Bayern"), ["Germany", "DE"], ["Königinstraße", "80"], ["+49 89 5550", "de-DE"]),
            place(["Zürich", "zuerich"], Some("ZH"), ["Switzerland", "CH"], ["Löwenstrasse", "80"], ["+41 44 555 ", "de-CH"]),
        ],
    },
    Culture {
        order: Order::GivenFirst,
        given: &[
            ("Élodie", "elodie"), ("François", "francois"), ("Maëlle", "maelle"), ("Hélène", "helene"), ("Gaël", "gael"),
            ("Chloé", "chloe"), ("Benoît", "benoit"), ("Noémie", "noemie"), ("Jérôme", "jerome"), ("Anaïs", "anais"),
            ("Rémi", "remi"), ("Solène", "solene"), ("Aurélien", "aurelien"), ("Zoé", "zoe"), ("Cédric", "cedric"),
            ("Jean-Baptiste", "jean-baptiste"),
        ],
        surnames: &[
            ("Lefèvre", "lefevre"), ("Gagné", "gagne"), ("Bélanger", "belanger"), ("Côté", "cote"), ("L'Hôpital", "l'hopital"),
            ("Dupré", "dupre"), ("Françoise-Noël", "francoise-noel"), ("Châtelain", "chatelain"), ("Guérin", "guerin"),
            ("Hébert", "hebert"), ("Lachaîne", "lachaine"), ("Mÿrand", "myrand"), ("Œuvrard", "oeuvrard"), ("d'Aubigné", "d'aubigne"),
            ("Thériault", "theriault"), ("Béranger", "beranger"),
        ],
        places: [
            place(["Orléans", "orleans"], None, ["France", "FR"], ["Rue de l'Évêché", "45"], ["+33 2 55 50 ", "fr-FR"]),
            place(["Montréal", "montreal"], Some("Québec"), ["Canada", "CA"], ["Rue Saint-Denis", "H2X "], ["+1 514 555 ", "fr-CA"]),
        ],
    },
    Culture {
        order: Order::GivenFirst,
        given: &[
            ("Íñigo", "inigo"), ("María José", "mariajose"), ("João", "joao"), ("Conceição", "conceicao"), ("Raúl", "raul"),
            ("Begoña", "begona"), ("Sofía", "sofia"), ("Andrés", "andres"), ("Inês", "ines"), ("Gonçalo", "goncalo"),
            ("Lucía", "lucia"), ("Óscar", "oscar"), ("Mónica", "monica"), ("Ángel", "angel"), ("Úrsula", "ursula"),
            ("Martín", "martin"),
        ],
        surnames: &[
            ("Ibáñez", "ibanez"), ("Núñez", "nunez"), ("García Márquez", "garciamarquez"), ("Araújo", "araujo"), ("Muñoz", "munoz"),
            ("Gonçalves", "goncalves"), ("Peña", "pena"), ("Jiménez", "jimenez"), ("Simões", "simoes"), ("Zúñiga", "zuniga"),
            ("de la Cruz", "delacruz"), ("Etxeberria", "etxeberria"), ("Güell", "guell"), ("Magalhães", "magalhaes"),
            ("Ordóñez", "ordonez"), ("Sáenz", "saenz"),
        ],
        places: [
            place(["Málaga", "malaga"], Some("Andalucía"), ["Spain", "ES"], ["Calle Larios", "290"], ["+34 952 555 ", "es-ES"]),
            place(["São Paulo", "saopaulo"], Some("SP"), ["Brazil", "BR"], ["Avenida Brigadeiro Faria Lima", "045"], ["+55 11 5550-", "pt-BR"]),
        ],
    },
    Culture {
        order: Order::GivenFirst,
        given: &[
            ("Þórdís", "thordis"), ("Guðrún", "gudrun"), ("Åse", "aase"), ("Øyvind", "oyvind"), ("Søren", "soren"),
            ("Märta", "marta"), ("Jyrki", "jyrki"), ("Päivi", "paivi"), ("Ægir", "aegir"), ("Håkan", "hakan"),
            ("Bjørn", "bjorn"), ("Signe", "signe"), ("Ásta", "asta"), ("Väinö", "vaino"),
        ],
        surnames: &[
            ("Jónsdóttir", "jonsdottir"), ("Guðmundsson", "gudmundsson"), ("Ångström", "angstrom"), ("Sørensen", "sorensen"),
            ("Mäkelä", "makela"), ("Hämäläinen", "hamalainen"), ("Øvergård", "overgard"), ("Næss", "naess"),
            ("Bäckström", "backstrom"), ("Þorsteinsson", "thorsteinsson"), ("Lindqvist", "lindqvist"), ("Ålund", "alund"),
            ("Kjærgaard", "kjaergaard"), ("Ytterås", "ytteras"),
        ],
        places: [
            place(["Reykjavík", "reykjavik"], None, ["Iceland", "IS"], ["Skólavörðustígur", "10"], ["+354 555 ", "is-IS"]),
            place(["Göteborg", "goeteborg"], Some("Västra Götaland"), ["Sweden", "SE"], ["Östra Hamngatan", "411 "], ["+46 31 555 ", "sv-SE"]),
        ],
    },
    Culture {
        order: Order::GivenFirst,
        given: &[
            ("Łukasz", "lukasz"), ("Małgorzata", "malgorzata"), ("Žaneta", "zaneta"), ("Jiří", "jiri"), ("Grażyna", "grazyna"),
            ("Věra", "vera"), ("Ľudmila", "ludmila"), ("Šimon", "simon"), ("Krzysztof", "krzysztof"), ("Bożena", "bozena"),
            ("Đorđe", "djordje"), ("Ştefan", "stefan"), ("Ágnes", "agnes"), ("Ģirts", "girts"),
        ],
        surnames: &[
            ("Wiśniewska", "wisniewska"), ("Kowalczyk", "kowalczyk"), ("Dvořák", "dvorak"), ("Černý", "cerny"), ("Źdźbło", "zdzblo"),
            ("Szczęsny", "szczesny"), ("Kovács", "kovacs"), ("Nagy-Őry", "nagy-ory"), ("Žižka", "zizka"), ("Đurić", "djuric"),
            ("Popović", "popovic"), ("Țurcanu", "turcanu"), ("Mickevičius", "mickevicius"), ("Kaļķis", "kalkis"),
        ],
        places: [
            place(["Łódź", "lodz"], Some("łódzkie"), ["Poland", "PL"], ["ul. Piotrkowska", "90-"], ["+48 42 555 ", "pl-PL"]),
            place(["Plzeň", "plzen"], None, ["Czechia", "CZ"], ["Náměstí Republiky", "301 "], ["+420 377 555 ", "cs-CZ"]),
        ],
    },
    Culture {
        order: Order::GivenFirst,
        given: &[
            ("Şebnem", "sebnem"), ("İbrahim", "ibrahim"), ("Çağla", "cagla"), ("Gökhan", "gokhan"), ("Işıl", "isil"),
            ("Ömer", "omer"), ("Tuğba", "tugba"), ("Ümit", "umit"), ("Nazlı", "nazli"), ("Kağan", "kagan"), ("Ayşe", "ayse"),
            ("Rıdvan", "ridvan"),
        ],
        surnames: &[
            ("Yıldırım", "yildirim"), ("Çelik", "celik"), ("Öztürk", "ozturk"), ("Şahin", "sahin"), ("Güneş", "gunes"),
            ("Kılıç", "kilic"), ("Aydoğan", "aydogan"), ("İnönü", "inonu"), ("Büyükkaya", "buyukkaya"), ("Işık", "isik"),
            ("Tekin", "tekin"), ("Doğru", "dogru"),
        ],
        places: [
            place(["İstanbul", "istanbul"], None, ["Türkiye", "TR"], ["İstiklâl Caddesi", "344"], ["+90 212 555 ", "tr-TR"]),
            place(["İzmir", "izmir"], None, ["Türkiye", "TR"], ["Gazi Osman Paşa Bulvarı", "352"], ["+90 232 555 ", "tr-TR"]),
        ],
    },
    Culture {
        order: Order::FamilyFirst,
        given: &[
            ("Thị Mai", "thimai"), ("Văn Đức", "vanduc"), ("Thu Hường", "thuhuong"), ("Quốc Việt", "quocviet"), ("Ngọc Ánh", "ngocanh"),
            ("Minh Tuấn", "minhtuan"), ("Hồng Nhung", "hongnhung"), ("Đình Phúc", "dinhphuc"), ("Bảo Trâm", "baotram"),
            ("Xuân Trường", "xuantruong"),
        ],
        surnames: &[
            ("Nguyễn", "nguyen"), ("Trần", "tran"), ("Lê", "le"), ("Phạm", "pham"), ("Huỳnh", "huynh"), ("Đặng", "dang"),
            ("Bùi", "bui"), ("Đỗ", "do"), ("Võ", "vo"), ("Lý", "ly"),
        ],
        places: [
            place(["Hà Nội", "hanoi"], None, ["Viet Nam", "VN"], ["Phố Hàng Bài", "100"], ["+84 24 555 ", "vi-VN"]),
            place(["Thành phố Hồ Chí Minh", "hochiminh"], None, ["Viet Nam", "VN"], ["Đường Đồng Khởi", "700"], ["+84 28 555 ", "vi-VN"]),
        ],
    },
    Culture {
        order: Order::GivenFirst,
        given: &[
            ("Анна", "anna"), ("Дмитрий", "dmitrii"), ("Екатерина", "ekaterina"), ("Сергей", "sergei"), ("Ольга", "olga"),
            ("Артём", "artem"), ("Наталья", "natalia"), ("Олексій", "oleksii"), ("Їванна", "yivanna"), ("Юрій", "yurii"),
            ("Ђорђија", "djordjija"), ("Людмила", "lyudmila"), ("Щукарь", "shchukar"), ("Зоя", "zoya"),
        ],
        surnames: &[
            ("Иванова", "ivanova"), ("Кузнецов", "kuznetsov"), ("Соловьёв", "solovyov"), ("Шевченко", "shevchenko"),
            ("Ковальчук", "kovalchuk"), ("Григор’єв", "hryhoriev"), ("Достоевский", "dostoevskii"), ("Петрова-Водкина", "petrova-vodkina"),
            ("Жуков", "zhukov"), ("Чайковский", "chaikovskii"), ("Љубичић", "ljubicic"), ("Ющенко", "yushchenko"),
            ("Хрущёв", "khrushchyov"), ("Эйзенштейн", "eizenshtein"),
        ],
        places: [
            place(["Київ", "kyiv"], None, ["Ukraine", "UA"], ["вул. Хрещатик", "010"], ["+380 44 555 ", "uk-UA"]),
            place(["София", "sofia"], None, ["Bulgaria", "BG"], ["бул. Витоша", "10"], ["+359 2 555 ", "bg-BG"]),
        ],
    },
    Culture {
        order: Order::GivenFirst,
        given: &[
            ("Ελένη", "eleni"), ("Γιώργος", "giorgos"), ("Αλέξανδρος", "alexandros"), ("Δήμητρα", "dimitra"), ("Θεόδωρος", "theodoros"),
            ("Χριστίνα", "christina"), ("Ευάγγελος", "evangelos"), ("Ιωάννα", "ioanna"), ("Ξένια", "xenia"), ("Ψαραντώνης", "psarantonis"),
        ],
        surnames: &[
            ("Παπαδοπούλου", "papadopoulou"), ("Οικονόμου", "oikonomou"), ("Κωνσταντινίδης", "konstantinidis"), ("Γεωργίου", "georgiou"),
            ("Αγγελοπούλου", "angelopoulou"), ("Χατζηδάκις", "chatzidakis"), ("Μητσοτάκης", "mitsotakis"), ("Θεοδωράκης", "theodorakis"),
            ("Ξενάκης", "xenakis"), ("Βαρδινογιάννης", "vardinogiannis"),
        ],
        places: [
            place(["Αθήνα", "athina"], Some("Αττική"), ["Greece", "GR"], ["Λεωφόρος Βασιλίσσης Σοφίας", "106 "], ["+30 21 0555 ", "el-GR"]),
            place(["Θεσσαλονίκη", "thessaloniki"], None, ["Greece", "GR"], ["Τσιμισκή", "546 "], ["+30 231 055 ", "el-GR"]),
        ],
    },
    Culture {
        order: Order::FamilyJoined,
        given: &[
            ("小明", "xiaoming"), ("美玲", "meiling"), ("志强", "zhiqiang"), ("雨桐", "yutong"), ("国栋", "guodong"), ("秀英", "xiuying"),
            ("浩然", "haoran"), ("静怡", "jingyi"), ("建国", "jianguo"), ("思远", "siyuan"), ("嘉欣", "jiaxin"), ("子轩", "zixuan"),
        ],
        surnames: &[
            ("王", "wang"), ("李", "li"), ("张", "zhang"), ("刘", "liu"), ("陈", "chen"), ("欧阳", "ouyang"), ("司马", "sima"),
            ("諸葛", "zhuge"), ("黃", "huang"), ("吳", "wu"), ("趙", "zhao"), ("𡨴", "ning"),
        ],
        places: [
            place(["上海", "shanghai"], None, ["China", "CN"], ["南京东路", "200"], ["+86 21 5550 ", "zh-CN"]),
            place(["臺北", "taipei"], None, ["Taiwan", "TW"], ["忠孝東路", "100"], ["+886 2 5550 ", "zh-TW"]),
        ],
    },
    Culture {
        order: Order::FamilyFirst,
        given: &[
            ("さくら", "sakura"), ("太郎", "taro"), ("陽菜", "hina"), ("健一", "kenichi"), ("ジョン", "jon"), ("美咲", "misaki"), ("翔太", "shota"),
            ("由美子", "yumiko"), ("ひろし", "hiroshi"), ("凛", "rin"), ("大輔", "daisuke"), ("あゆみ", "ayumi"),
        ],
        surnames: &[
            ("佐藤", "sato"), ("鈴木", "suzuki"), ("髙橋", "takahashi"), ("𠮷田", "yoshida"), ("渡邉", "watanabe"), ("山﨑", "yamasaki"),
            ("齋藤", "saito"), ("小林", "kobayashi"), ("中村", "nakamura"), ("伊藤", "ito"), ("スミス", "sumisu"), ("森", "mori"),
        ],
        places: [
            place(["東京都", "tokyo"], Some("千代田区"), ["Japan", "JP"], ["丸の内", "100-0"], ["+81 3 5550 ", "ja-JP"]),
            place(["大阪市", "osaka"], Some("大阪府"), ["Japan", "JP"], ["北区梅田", "530-0"], ["+81 6 5550 ", "ja-JP"]),
        ],
    },
    Culture {
        order: Order::FamilyJoined,
        given: &[
            ("민준", "minjun"), ("서연", "seoyeon"), ("지훈", "jihoon"), ("하은", "haeun"), ("도윤", "doyun"), ("수빈", "subin"),
            ("예은", "yeeun"), ("현우", "hyunwoo"), ("지영", "jiyoung"), ("성호", "seongho"),
        ],
        surnames: &[
            ("김", "kim"), ("이", "yi"), ("박", "park"), ("최", "choi"), ("정", "jeong"), ("강", "kang"), ("조", "cho"), ("윤", "yoon"),
            ("남궁", "namgung"), ("황보", "hwangbo"),
        ],
        places: [
            place(["서울특별시", "seoul"], Some("종로구"), ["Korea", "KR"], ["세종대로", "03"], ["+82 2 555 ", "ko-KR"]),
            place(["부산광역시", "busan"], Some("해운대구"), ["Korea", "KR"], ["센텀중앙로", "48"], ["+82 51 555 ", "ko-KR"]),
        ],
    },
    Culture {
        order: Order::GivenFirst,
        given: &[
            ("محمد", "mohammed"), ("فاطمة", "fatima"), ("أحمد", "ahmed"), ("عائشة", "aisha"), ("يوسف", "youssef"), ("ليلى", "layla"),
            ("خالد", "khaled"), ("نور الهدى", "nourelhouda"), ("عبد الرحمن", "abdulrahman"), ("زينب", "zaynab"), ("آرش", "arash"),
            ("ژاله", "zhaleh"),
        ],
        surnames: &[
            ("الحسيني", "alhusseini"), ("بن علي", "benali"), ("الشريف", "alsharif"), ("المصري", "almasri"), ("خوري", "khoury"),
            ("الفاسي", "alfassi"), ("العتيبي", "alotaibi"), ("حدّاد", "haddad"), ("پورمحمدی", "pourmohammadi"), ("گلزار", "golzar"),
            ("السوداني", "alsudani"), ("قاسم", "qassem"),
        ],
        places: [
            place(["القاهرة", "cairo"], None, ["Egypt", "EG"], ["شارع طلعت حرب", "115"], ["+20 2 5550 ", "ar-EG"]),
            place(["دبي", "dubai"], None, ["United Arab Emirates", "AE"], ["شارع الشيخ زايد", "000"], ["+971 4 555 ", "ar-AE"]),
        ],
    },
    Culture {
        order: Order::GivenFirst,
        given: &[
            ("נועה", "noa"), ("דוד", "david"), ("יעל", "yael"), ("אברהם", "avraham"), ("שירה", "shira"), ("משה", "moshe"), ("תמר", "tamar"),
            ("איתן", "eitan"), ("ז׳קלין", "jaqueline"), ("צבי", "zvi"),
        ],
        surnames: &[
            ("כהן", "cohen"), ("לוי", "levi"), ("מזרחי", "mizrahi"), ("בן־דוד", "ben-david"), ("פרידמן", "friedman"), ("שפירא", "shapira"),
            ("אוחיון", "ohayon"), ("גולדברג", "goldberg"), ("צ׳רניחובסקי", "tchernichovsky"), ("חדד", "hadad"),
        ],
        places: [
            place(["תל אביב-יפו", "telaviv"], None, ["Israel", "IL"], ["שדרות רוטשילד", "66"], ["+972 3 555 ", "he-IL"]),
            place(["ירושלים", "jerusalem"], None, ["Israel", "IL"], ["רחוב יפו", "94"], ["+972 2 555 ", "he-IL"]),
        ],
    },
    Culture {
        order: Order::GivenFirst,
        given: &[
            ("प्रिया", "priya"), ("अर्जुन", "arjun"), ("लक्ष्मी", "lakshmi"), ("कृष्ण", "krishna"), ("अनुष्का", "anushka"), ("विक्रम", "vikram"),
            ("தமிழ்", "tamizh"), ("ஸ்ரீராம்", "sriram"), ("সুমিত্রা", "sumitra"), ("రాజేష్", "rajesh"), ("สมชาย", "somchai"), ("አበበ", "abebe"),
        ],
        surnames: &[
            ("शर्मा", "sharma"), ("त्रिपाठी", "tripathi"), ("श्रीवास्तव", "shrivastava"), ("गुप्ता", "gupta"), ("कृष्णमूर्ति", "krishnamurthy"),
            ("சுப்பிரமணியன்", "subramanian"), ("চট্টোপাধ্যায়", "chattopadhyay"), ("రెడ్డి", "reddy"), ("ਸਿੰਘ", "singh"), ("ใจดี", "jaidee"),
            ("ბერიძე", "beridze"), ("Սարգսյան", "sargsyan"),
        ],
        places: [
            place(["मुंबई", "mumbai"], Some("महाराष्ट्र"), ["India", "IN"], ["महात्मा गांधी मार्ग", "400"], ["+91 22 5550 ", "hi-IN"]),
            place(["சென்னை", "chennai"], Some("தமிழ்நாடு"), ["India", "IN"], ["அண்ணா சாலை", "600"], ["+91 44 5550 ", "ta-IN"]),
        ],
    },
];

/// Departments.
#[rustfmt::skip]
pub static DEPARTMENTS: [&str; 20] = [
    "Engineering", "Sales", "Finance", "Human Resources", "Marketing", "IT", "Legal", "Operations", "Customer Success",
    "Research & Development", "Forschung", "Vertrieb Süd", "Qualité", "Logística", "Продажи", "開発部", "人事部", "الهندسة", "Κύριο Λογιστήριο",
    "Executive Office",
];

/// Job titles.
#[rustfmt::skip]
pub static JOB_TITLES: [&str; 24] = [
    "Software Engineer", "Senior Software Engineer", "Account Manager", "Retail Manager", "Finance Analyst", "HR Generalist",
    "Marketing Assistant", "IT Administrator", "Legal Counsel", "Operations Lead", "Customer Success Engineer", "Designer",
    "Product Manager", "Geschäftsführerin", "Sachbearbeiter", "Chef de projet", "Ingénieure qualité", "Jefe de logística",
    "Менеджер по продажам", "課長", "部長代理", "مهندس أول", "Director \"EMEA/APAC\"", "Barista ☕",
];

/// Companies.
#[rustfmt::skip]
pub static COMPANIES: [&str; 6] = [
    "Contoso", "Contoso Ltd.", "Fabrikam, Inc.", "Müller & Söhne \"Nord\" GmbH", "株式会社コントソ", "Contoso Électronique SARL",
];

/// What a shared account is for.
#[rustfmt::skip]
pub static SHARED: [Name; 8] = [
    ("Conf Room", "confroom"), ("Reception", "reception"), ("Kiosk", "kiosk"), ("Scanner", "scanner"), ("Lagerterminal", "lagerterminal"),
    ("Service Desk", "servicedesk"), ("Poste d’accueil", "accueil"), ("共有", "kyoyu"),
];

/// Home domains of guests.
#[rustfmt::skip]
pub static HOMES: [&str; 5] = ["adatum.com", "proseware.com", "northwind-traders.com", "tailspin_toys.com", "litware.example"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ascii_names_can_be_read_back() {
        let allowed = |name: &str| {
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || b"-'".contains(&byte))
        };
        let mut surnames = HashSet::new();
        for culture in &CULTURES {
            let mut given = HashSet::new();
            for (_, ascii) in culture.given {
                assert!(allowed(ascii) && given.insert(ascii), "given name {ascii}");
            }
            for (_, ascii) in culture.surnames {
                assert!(allowed(ascii) && surnames.insert(ascii), "surname {ascii}");
            }
        }
    }

    #[test]
    fn shared_names_never_look_like_a_person() {
        for (_, ascii) in &SHARED {
            let given: Vec<_> = CULTURES.iter().flat_map(|culture| culture.given).collect();
            assert!(given.iter().all(|(_, name)| name != ascii), "{ascii}");
        }
    }
}
