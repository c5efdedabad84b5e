import pytest

from hwr_hf.correction.edits import apply_edits
from hwr_hf.correction.spelling import spelling_edits

# Group, recognised, what an uncased BERT writes, natural text.
CASES = [
    # Nothing corrected: what was recognised stays, letter for letter.
    ("same", "The house", "the house", "The house"),
    ("same", "Mr. Gaitskell's plan", "mr. gaitskell ' s plan", "Mr. Gaitskell's plan"),
    ("same", 'He said, "No!"', 'he said, " no! "', 'He said, "No!"'),
    ("same", "a well-known man", "a well - known man", "a well-known man"),
    ("same", "café Müller", "cafe muller", "café Müller"),
    ("same", "two  spaces", "two spaces", "two  spaces"),
    ("same", "iPhone and McDonald", "iphone and mcdonald", "iPhone and McDonald"),
    # Case
    ("case", "Tbe house", "the house", "The house"),
    ("case", "a hause in Landon", "a house in london", "a house in London"),
    ("case", "McDonoId", "mcdonald", "McDonald"),
    ("case", "heIlo", "hello", "hello"),
    ("case", "Iittle", "little", "little"),
    ("case", "Tlello", "hello", "Hello"),
    ("case", "Ello there", "hello there", "Hello there"),
    ("case", "Hhello there", "hello there", "Hello there"),
    ("case", "he went home", "he then went home", "he then went home"),
    ("case", "l am here", "i am here", "I am here"),
    ("case", "so l'm here", "so i ' m here", "so I'm here"),
    ("case", "l.e. now", "i. e. now", "i.e. now"),
    ("case", "and lt was", "and it was", "and it was"),
    # Sentence starts
    ("sentence", "home. lt was", "home. it was", "home. It was"),
    ("sentence", 'he left." ln May', 'he left. " in may', 'he left." In May'),
    ("sentence", "home. Tben he", "home. then he", "home. Then he"),
    ("sentence", "what? Yas, he", "what? yes, he", "what? Yes, he"),
    # Capitals
    ("capitals", "HELIO WORLD", "hello world", "HELLO WORLD"),
    ("capitals", "the UMO met", "the uno met", "the UNO met"),
    ("capitals", "LABOUR WINS", "labour party wins", "LABOUR PARTY WINS"),
    ("capitals", "DONT GO", "don ' t go", "DON'T GO"),
    ("capitals", "A hause", "a house", "A house"),
    # Words split and joined
    ("split", "ofthe day", "of the day", "of the day"),
    ("split", "Hesaid no", "he said no", "He said no"),
    ("split", "NATOsays no", "nato says no", "NATO says no"),
    ("join", "the re was", "there was", "there was"),
    ("join", "The re was", "there was", "There was"),
    ("join", "to mor row", "tomorrow", "tomorrow"),
    # Apostrophes
    ("apostrophe", "dont go", "don ' t go", "don't go"),
    ("apostrophe", "Gaitskells plan", "gaitskell ' s plan", "Gaitskell's plan"),
    ("apostrophe", "we ll go", "we ' ll go", "we'll go"),
    ("apostrophe", "six oclock", "six o ' clock", "six o'clock"),
    ("apostrophe", "the boys' hause", "the boys ' house", "the boys' house"),
    ("apostrophe", "it 's hene", "it ' s here", "it 's here"),
    # Quotation marks
    ("quote", "said well he", 'said " well " he', 'said "well" he'),
    ("quote", "said, well he", "said, ' well ' he", "said, 'well' he"),
    ("quote", "he left.", 'he left. "', 'he left."'),
    ("quote", '"Wel," he said', '" well, " he said', '"Well," he said'),
    ("quote", "'Wel,' he said", "' well, ' he said", "'Well,' he said"),
    # Hyphens, dashes, slashes
    ("hyphen", "a well known man", "a well - known man", "a well-known man"),
    ("hyphen", "a wel-known man", "a well - known man", "a well-known man"),
    ("hyphen", "he left - alane", "he left - alone", "he left - alone"),
    ("hyphen", "and/on both", "and / or both", "and/or both"),
    # Abbreviations
    ("abbreviation", "M.P. for Landon", "m. p. for london", "M.P. for London"),
    ("abbreviation", "Mr Jones", "mr. jones", "Mr. Jones"),
    ("abbreviation", "the U.S.A. ond", "the u. s. a. and", "the U.S.A. and"),
    ("abbreviation", "J. F. Kemedy", "j. f. kennedy", "J. F. Kennedy"),
    ("abbreviation", "etc. ond so", "etc. and so", "etc. and so"),
    # Numbers
    ("number", "at 2.30 on Mondoy", "at 2. 30 on monday", "at 2.30 on Monday"),
    ("number", "at 2.30 there", "at 2. 50 there", "at 2.30 there"),
    ("number", "in 1954 ond", "in 1945 and", "in 1954 and"),
    ("number", "the 12th of Mav", "the 12 of may", "the 12th of May"),
    ("number", "1,000 paunds", "1, 000 pounds", "1,000 pounds"),
    ("number", "£5,000 paid", "£5, 000 paid", "£5,000 paid"),
    ("number", "all of lO men", "all of 10 men", "all of lO men"),
    ("number", "in 1954", "in", "in 1954"),
    ("number", "(2) the hause", "( 2 ) the house", "(2) the house"),
    # Punctuation
    ("punctuation", "home , he said", "home, he said", "home , he said"),
    ("punctuation", "home he said", "home, he said", "home, he said"),
    ("punctuation", "home. he said", "home, he said", "home, he said"),
    ("punctuation", "He came", "he came.", "He came."),
    ("punctuation", "the end; hawever, he", "the end ; however, he", "the end; however, he"),
    ("punctuation", "he (or she) cane", "he ( or she ) came", "he (or she) came"),
    ("punctuation", "he or she came", "he ( or she ) came", "he (or she) came"),
    ("punctuation", "why not", "why not?", "why not?"),
    # Blank
    ("blank", "", "anything", ""),
    ("blank", "the house", "", "the house"),
    ("blank", " the hause ", "the house", " the house "),
]


@pytest.mark.parametrize(
    ("recognised", "proposed", "expected"),
    [pytest.param(*case, id=f"{group}-{case[0]}") for group, *case in CASES],
)
def test_spelling_is_restored_from_the_recognised_text(recognised, proposed, expected):
    assert apply_edits(recognised, spelling_edits(recognised, proposed)) == expected


def test_a_cased_corrector_keeps_its_own_case_and_gets_its_spaces():
    recognised = "in landon, gaitskell's House"
    edits = spelling_edits(recognised, "In London, Gaitskell ' s house", is_cased=True)
    assert apply_edits(recognised, edits) == "In London, Gaitskell's house"
